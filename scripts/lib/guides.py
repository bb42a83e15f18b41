#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The guides of doc/ as programs: what a page tells its reader to do, in the order of the page.

  guides.py PAGE     prints the page as a shell script for scripts/lib/guide-checks, which runs it
  guides.py --machine PAGE
                     prints what is installed where the page begins: tabrmd, which is usual, or
                     what its line "<!-- machine: NAME -->" says

A page has fenced blocks. One of `sh` is commands, that of `text` is what they print: each of its
lines occurs in their output, where "…" stands for anything. A block whose first line is "# /PATH" is
that file. Every other kind of block is refused. Before a block may stand

  <!-- fails -->               one of its commands fails
  <!-- not tried: REASON -->   the trial leaves it out

and on lines of their own, between "<!-- trial" and "-->", commands of the trial that readers do not
see, such as what makes the trouble that the page is about.
"""
import re
import sys

END = "END_OF_STEP"
MARK = re.compile(r"<!-- (fails|not tried: .+|machine: [\w-]+) -->")
PATH = re.compile(r"(?:#|;) (/[\w./@-]+)$")


class Step:
    """One block: its line in the page, its kind (sh, text, file or trial), what is in it, and how."""

    def __init__(self, line, kind, text, path="", fails=False, untried=""):
        self.line = line
        self.kind = kind
        self.text = text
        self.path = path
        self.fails = fails
        self.untried = untried


class Fault(Exception):
    """The page cannot be tried: the line, and why."""


def until(lines, index, end, begun):
    """The lines from index on to the one that is `end`, and the index behind that."""
    for last in range(index, len(lines)):
        if lines[last] == end:
            return "".join(line + "\n" for line in lines[index:last]), last + 1
    raise Fault(f"{begun}: there is no \"{end}\"")


def block(number, language, text, mark):
    """The step of a fenced block."""
    untried = mark.removeprefix("not tried: ") if mark.startswith("not tried: ") else ""
    if untried or language in ("sh", "text"):
        kind = language or "text"
        return Step(number, kind, text, fails=mark == "fails", untried=untried)
    path = PATH.match(text.split("\n", 1)[0])
    if not path:
        raise Fault(f"{number}: a block of \"{language}\" whose first line is no \"# /PATH\"")
    return Step(number, "file", text, path=path.group(1))


def steps(content):
    """The steps of a page, and the machine that it begins with."""
    lines = content.split("\n")
    found, machine, mark, index = [], "tabrmd", "", 0
    while index < len(lines):
        line, index = lines[index], index + 1
        number = index
        if line.startswith("```"):
            text, index = until(lines, index, "```", number)
            found.append(block(number, line[3:].strip(), text, mark))
            mark = ""
        elif line == "<!-- trial":
            text, index = until(lines, index, "-->", number)
            found.append(Step(number, "trial", text))
        elif line.startswith("<!--"):
            match = MARK.fullmatch(line)
            if not match:
                raise Fault(f"{number}: an unknown remark: {line}")
            mark = match.group(1)
            if mark.startswith("machine: "):
                machine, mark = mark.removeprefix("machine: "), ""
        elif line and mark:
            raise Fault(f"{number}: the remark \"{mark}\" is for a block")
    return found, machine


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def script(found):
    """The steps as calls of the functions of scripts/lib/guide-checks."""
    for step in found:
        if step.untried:
            yield f"untried {step.line} {quoted(step.untried)}\n"
            continue
        call = {"sh": "fails" if step.fails else "runs", "text": "prints", "trial": "prepares",
                "file": f"writes {quoted(step.path)}"}[step.kind]
        yield f"step {step.line} {call} <<'{END}'\n{step.text}{END}\n"


def main(arguments):
    if not arguments or len(arguments) > 2 or arguments[:-1] not in ([], ["--machine"]):
        sys.exit("usage: guides.py [--machine] PAGE")
    try:
        with open(arguments[-1], encoding="utf-8") as file:
            found, machine = steps(file.read())
    except Fault as fault:
        sys.exit(f"{arguments[-1]}:{fault}")
    if len(arguments) == 2:
        print(machine)
    else:
        sys.stdout.writelines(script(found))


if __name__ == "__main__":
    main(sys.argv[1:])
