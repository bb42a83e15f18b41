# SPDX-License-Identifier: BSD-2-Clause
"""A source file stays short enough to be read in one go."""
import tree

LIMIT = 500


def check(root):
    findings = []
    for path in set(tree.files(root, ".c", ".h", ".py", "meson.build") + tree.shell_scripts(root)):
        lines = tree.read(root, path).count("\n")
        if lines >= LIMIT:
            findings.append(f"{path}: {lines} lines, must be under {LIMIT}")
    return sorted(findings)


SAMPLES = [
    ({"a.c": "\n" * (LIMIT - 1), "README.md": "\n" * LIMIT}, []),
    ({"obj/meson-info/x": "", "obj/a.c": "\n" * LIMIT, "obj/d/a.c": "\n" * LIMIT}, []),
    ({"d/a.c": "\n" * LIMIT, "run": "#!/bin/sh\n" * LIMIT}, [r"d/a\.c: 500", "run: 500"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
