# SPDX-License-Identifier: BSD-2-Clause
"""What documents name is there: functions as `name()`, and source files as `directory/name.c`."""
import re

import tree

FUNCTION = re.compile(r"`(\w+)\(\)`")
FILE = re.compile(r"`([\w./-]+\.[ch])`")
SYSTEM = {"sysexits.h"}


def check(root):
    sources = tree.files(root, ".c", ".h")
    called = set()
    for path in sources:
        called.update(re.findall(r"(\w+)\(", tree.read(root, path)))
    findings = []
    for path in tree.files(root, ".md"):
        for number, line in enumerate(tree.read(root, path).split("\n"), 1):
            gone = [f"{name}()" for name in FUNCTION.findall(line) if name not in called]
            gone += [name for name in FILE.findall(line) if name not in SYSTEM
                     and not any(f"/{source}".endswith(f"/{name}") for source in sources)]
            findings += [f"{path}:{number}: there is no {name}" for name in gone]
    return findings


SAMPLES = [
    ({"d/a.c": "int f(void)\n{\n}\n", "README.md": "`f()` of `d/a.c`, `a.c`\n"}, []),
    ({"d/a.c": "int f;\n", "d/b.md": "x\n`f()`\n`c/a.c`, `da.c`\n"},
     [r"d/b\.md:2: there is no f\(\)", r"d/b\.md:3: there is no c/a\.c", r"there is no da\.c"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
