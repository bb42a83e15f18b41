# SPDX-License-Identifier: BSD-2-Clause
"""All C is laid out as clang-format with the tree's .clang-format does it.

Other versions of clang-format than WANTED lay some constructs out differently, so that only this
one is asked. Where there is none but another version, as on Debian 13, layout is not checked.
"""
import os
import re
import shutil
import subprocess

import tree

WANTED = "14"


def version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    number = re.search(r"version (\d+)\.", said)
    return number.group(1) if number else "of no known version"


def clang_format():
    """The program of the version that is wanted."""
    names = (f"clang-format-{WANTED}", "clang-format")
    programs = [program for program in map(shutil.which, names) if program]
    for program in programs:
        if version(program) == WANTED:
            return program
    if programs:
        raise tree.Unchecked(f"layout is that of clang-format {WANTED}, and this is "
                             f"{version(programs[-1])}: not checked")
    raise tree.Missing("clang-format", "clang-format")


def check(root):
    program = clang_format()
    sources = tree.files(root, ".c", ".h")
    if not sources:
        return []
    if not os.path.isfile(os.path.join(root, ".clang-format")):
        return [".clang-format: not there"]
    command = [program, "--dry-run", "-Werror", "--style=file", *sources]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    bad = dict.fromkeys(re.findall(r"^([^\s:]+):\d+:\d+: error:", run.stderr, re.M))
    if run.returncode and not bad:
        return [f"clang-format failed: {run.stderr.strip()}"]
    return [f"{path}: not laid out as clang-format -i does it" for path in bad]


STYLE = {".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n"}
SAMPLES = [
    ({**STYLE, "a.c": "void f(void);\n"}, []),
    ({**STYLE, "a.c": "int main(void) { return  0; }\n", "d/b.h": "int  x;\n"}, ["a.c", "d/b.h"]),
    ({**STYLE, "build/a.c": "int  x;\n"}, []),
    ({"a.c": "int x;\n"}, ["not there"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
