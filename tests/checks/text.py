# SPDX-License-Identifier: BSD-2-Clause
"""What stands in the tree's files: a licence line in each source, no path of one machine, no
marker of unfinished work, no white space at the end of a line.
"""
import re

import tree

LICENCE = "SPDX-License-Identifier: BSD-2-Clause"
# The patterns are put together here so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.}\])*])/(?:wo" r"rk|home|Users|tmp)/(?![\w.-]*XXXXXX)[\w.]")
MARKER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|TB" r"D)\b", re.I)


def check(root):
    findings = []
    sources = set(tree.files(root, ".c", ".h", ".py") + tree.shell_scripts(root))
    for path in tree.files(root):
        content = tree.read(root, path)
        lines = content.split("\n")
        if path in sources and not any(LICENCE in line for line in lines[:2]):
            findings.append(f"{path}: no line {LICENCE} at its head")
        for number, line in enumerate(lines, 1):
            where = f"{path}:{number}"
            if MACHINE_PATH.search(line):
                findings.append(f"{where}: path of one machine: {line.strip()}")
            if MARKER.search(line):
                findings.append(f"{where}: marker of unfinished work: {line.strip()}")
            if line != line.rstrip():
                findings.append(f"{where}: white space at the end of the line")
        if content and not content.endswith("\n"):
            findings.append(f"{path}: no newline at the end")
    return findings


HEAD = f"/* {LICENCE} */\n"
SAMPLES = [
    (
        {
            "a.c": HEAD + "int x;\n",
            "run": f"#!/bin/sh\n# {LICENCE}\nmktemp -d /tmp/x.XXXXXX\ntest -d \"$d/home/x\"\n",
            "README.md": "text for nowhere\n",
            "build-x/a.c": "int x; \n",
        },
        [],
    ),
    ({"a.c": "int x;\n", "run": "#!/bin/sh\ntrue\n"}, ["a.c: no line SPDX", "run: no line SPDX"]),
    (
        {"a.c": HEAD + "/* /wo" "rk/x */\n", "b.md": "in /ho" "me/me/x\n`/tm" "p/build-x`\n"},
        [r"a\.c:2: path", r"b\.md:1: path", r"b\.md:2: path"],
    ),
    (
        {"a.c": HEAD + "/* TO" "DO: x */\n/* a ha" "ck */\nint fixm" "e;\n"},
        ["a.c:2: marker", "a.c:3: marker", "a.c:4: marker"],
    ),
    ({"a.c": HEAD + "int x; \nint y;"}, ["a.c:2: white space", "a.c: no newline"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
