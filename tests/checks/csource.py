# SPDX-License-Identifier: BSD-2-Clause
"""C files of this tree, as far as the checks need to read them: which functions a file defines,
which names it uses, which structures it declares. The layout is clang-format's (see format.py):
what is at the top level starts in column 0.
"""
import re
from collections import namedtuple

NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)[ \t]*")
# A definition: up to its opening brace, which is alone on a line in column 0.
FUNCTION = re.compile(r"^(?P<head>[A-Za-z_][^;{}=]*?\b(?P<name>\w+)\((?P<args>[^;{}]*)\)\s*)\n\{$"
                      r"(?P<body>.*?)^\}$", re.M | re.S)
STRUCT = re.compile(r"\b(?P<kind>struct|union)\s+(?P<name>\w+)?\s*\{")
NAME = re.compile(r"\b[A-Za-z_]\w*\b")

Function = namedtuple("Function", "name static line lines")
Struct = namedtuple("Struct", "name line members")


def bare(text):
    """The text without comments, literals, directives and attributes; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]+", " ", match.group())

    return ATTRIBUTE.sub("", DIRECTIVE.sub(blank, NOISE.sub(blank, text)))


def functions(text):
    """The functions that are defined in a bare text. Lines are counted from the first one of the
    head to the closing brace."""
    for match in FUNCTION.finditer(text):
        yield Function(match.group("name"), match.group("head").startswith("static"),
                       text.count("\n", 0, match.start()) + 1, match.group().count("\n") + 1)


def names(text):
    """The identifiers in a bare text."""
    return set(NAME.findall(text))


def closing(text, start):
    """The place of the brace that closes the one at `start`, or the end."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)


def flat(body):
    """The body of a structure without what stands in brackets of any kind in it."""
    before = None
    while before != body:
        before, body = body, re.sub(r"\{[^{}]*\}|\([^()]*\)|\[[^][]*\]", " ", body)
    return body


def structs(text):
    """The structures that are declared in a bare text, inner ones too. A member is a declarator: a
    line may have several."""
    for match in STRUCT.finditer(text):
        start = match.end() - 1
        body = flat(text[start + 1:closing(text, start)])
        members = sum(part.count(",") + 1 for part in body.split(";") if part.strip())
        yield Struct(match.group("name") or "(no name)", text.count("\n", 0, match.start()) + 1,
                     members)
