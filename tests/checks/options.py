# SPDX-License-Identifier: BSD-2-Clause
"""The manual page describes the options that the daemon has, and no others."""
import re

import tree

SOURCE = "daemon/options.c"
PAGE = "man/tabrmd.8"
ENTRY = re.compile(r"\{\"([a-z][a-z-]*)\", ('(\w)'|0),")


def in_source(text):
    return {(f"-{letter}" if letter else "", f"--{name}") for name, _, letter in ENTRY.findall(text)}


def in_page(text):
    """The options of the tagged paragraphs between .SH OPTIONS and the next .SH."""
    section = re.search(r"^\.SH OPTIONS\n(.*?)^\.SH", text, re.M | re.S)
    tags = re.findall(r"^\.TP\n(\..*)", section.group(1) if section else "", re.M)
    found = set()
    for tag in tags:
        words = tag.replace("\\-", "-")
        short = re.search(r"(?<![-\w])-\w\b", words)
        long = re.search(r"--[a-z][a-z-]*", words)
        found.add((short.group() if short else "", long.group() if long else ""))
    return found


def check(root):
    paths = tree.files(root)
    absent = [path for path in (SOURCE, PAGE) if path not in paths]
    if absent:
        return [f"{path}: not there" for path in absent]
    source, page = in_source(tree.read(root, SOURCE)), in_page(tree.read(root, PAGE))
    findings = [f"{PAGE}: no option {' '.join(one).strip()}" for one in sorted(source - page)]
    findings += [f"{SOURCE}: no option {' '.join(one).strip()}" for one in sorted(page - source)]
    return findings


C = '{"tcti", \'t\', 0, X},\n{"idle-release", 0, 0, X},\n'
MAN = ".SH OPTIONS\n.TP\n.BR \\-t \", \" \\-\\-tcti =x\nText --not.\n.TP\n.B \\-\\-idle\\-release\n.SH X\n"
SAMPLES = [
    ({SOURCE: C, PAGE: MAN}, []),
    ({SOURCE: C + '{"new", \'n\', 0, X},\n', PAGE: MAN}, ["tabrmd.8: no option -n --new"]),
    ({SOURCE: C.replace("'t'", "'T'"), PAGE: MAN}, ["8: no option -T --tcti", "c: no.*-t --tcti"]),
    ({SOURCE: C.split("\n")[0], PAGE: MAN}, ["options.c: no option --idle-release"]),
    ({SOURCE: C}, ["tabrmd.8: not there"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
