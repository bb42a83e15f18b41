# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages and the installed file describe the options that the daemon has, and no others.

tabrmd(8) has all options; tabrmd.conf(5) and the file have those that are keys, with their defaults.
The section RELOAD of tabrmd.conf(5) names those that a reload changes. doc/options.md names
each that is a key.
"""
import re

import tree

SOURCE = "daemon/option-table.c"
PAGE = "man/tabrmd.8"
KEYS_PAGE = "man/tabrmd.conf.5"
FILE = "conf/tabrmd.conf"
LIST = "doc/options.md"
ENTRY = re.compile(r"\[OPTION_\w+\] = \{(.*?)\}", re.S)


def member(entry, name):
    """The value of a member that is a string or a letter, or an empty one."""
    found = re.search(rf"\.{name} = [\"']([^\"']*)[\"']", entry)
    return found.group(1) if found else ""


def entries_of(text):
    return ENTRY.findall(text)


def options_of_source(entries):
    return {(f"-{member(one, 'letter')}".rstrip("-"), f"--{member(one, 'name')}") for one in entries}


def keys_of_source(entries):
    return {f"{member(one, 'name')}={member(one, 'standard')}" for one in entries
            if ".no_key = true" not in one}


def tags(text, heading):
    """The tags of the paragraphs between a heading and the next one, without markup."""
    section = re.search(rf"^\.SH {heading}\n(.*?)^\.SH", text, re.M | re.S)
    found = re.findall(r"^\.TP\n(\..*)", section.group(1) if section else "", re.M)
    return [tag.replace("\\-", "-") for tag in found]


def options_of_page(text):
    found = set()
    for tag in tags(text, "OPTIONS"):
        short = re.search(r"(?<![-\w])-\w\b", tag)
        long = re.search(r"--[a-z][a-z-]*", tag)
        found.add((short.group() if short else "", long.group() if long else ""))
    return found


def keys_of_page(text):
    return {re.sub(r"^\.\w+ ", "", tag) for tag in tags(text, "KEYS")}


def live_of_source(entries):
    return {member(one, "name") for one in entries if ".live = true" in one}


def live_of_page(text, entries):
    section = re.search(r"^\.SH RELOAD\n(.*?)^\.SH", text, re.M | re.S)
    words = section.group(1).replace("\\-", "-") if section else ""
    return {name for name in (member(one, "name") for one in entries)
            if re.search(rf"^\.BR? {name}\b(?!-)", words, re.M)}


def keys_of_file(text):
    return set(re.findall(r"^#([a-z][a-z-]*=.*)$", text, re.M))


def absent_in_list(text, entries):
    names = [f"--{member(one, 'name')}" for one in entries if ".no_key = true" not in one]
    return [f"{LIST}: no option {name}" for name in names
            if not re.search(rf"{name}(?![-\w])", text)]


def compare(kind, source, other, path):
    def name(one):
        return one if isinstance(one, str) else " ".join(one).strip()
    return ([f"{path}: no {kind} {name(one)}" for one in sorted(source - other)]
            + [f"{SOURCE}: no {kind} {name(one)}, as in {path}" for one in sorted(other - source)])


def check(root):
    paths = tree.files(root)
    absent = [path for path in (SOURCE, PAGE, KEYS_PAGE, FILE, LIST) if path not in paths]
    if absent:
        return [f"{path}: not there" for path in absent]
    entries = entries_of(tree.read(root, SOURCE))
    keys, page = keys_of_source(entries), tree.read(root, KEYS_PAGE)
    return (compare("option", options_of_source(entries), options_of_page(tree.read(root, PAGE)), PAGE)
            + compare("key", keys, keys_of_page(page), KEYS_PAGE)
            + compare("option that a reload changes (.live, section RELOAD):",
                      live_of_source(entries), live_of_page(page, entries), KEYS_PAGE)
            + compare("key", keys, keys_of_file(tree.read(root, FILE)), FILE)
            + absent_in_list(tree.read(root, LIST), entries))


C = """[OPTION_TCTI] = {.name = "tcti", .letter = 't',
 .standard = "a:/b"},
[OPTION_IDLE_RELEASE] = {.name = "idle-release", .live = true, .help = "X"},
[OPTION_HELP] = {.name = "help", .letter = 'h', .no_key = true},
"""
MAN = """.SH OPTIONS
.TP
.BR \\-t ", " \\-\\-tcti =x
Text --not.
.TP
.B \\-\\-idle\\-release
.TP
.BR \\-h ", " \\-\\-help
.SH X
"""
KEYS = ".SH RELOAD\n.B idle\\-release\n.SH KEYS\n.TP\n.B tcti=a:/b\nText.\n.TP\n.B idle\\-release=\n.SH X\n"
CONF = "# Text=x\n[Daemon]\n#tcti=a:/b\n#idle-release=\n"
NEW = C + "[OPTION_NEW] = {.name = \"new\", .letter = 'n', .standard = \"1\"},\n"
TABLE = "| `-t`, `--tcti=CONF` | `--idle-release=MS` |\n"
SAMPLES = [
    ({SOURCE: C, PAGE: MAN, KEYS_PAGE: KEYS, FILE: CONF, LIST: TABLE}, []),
    ({SOURCE: NEW, PAGE: MAN, KEYS_PAGE: KEYS, FILE: CONF, LIST: TABLE},
     ["tabrmd.8: no option -n --new", "conf.5: no key new=1", "conf/tabrmd.conf: no key new=1",
      "doc/options.md: no option --new"]),
    ({SOURCE: C.replace("'t'", "'T'"), PAGE: MAN, KEYS_PAGE: KEYS, FILE: CONF, LIST: TABLE},
     ["8: no option -T --tcti", "c: no option -t --tcti, as in man/tabrmd.8"]),
    ({SOURCE: C, PAGE: MAN, KEYS_PAGE: KEYS.replace("a:/b", "a:/c"), FILE: CONF, LIST: TABLE},
     ["conf.5: no key tcti=a:/b", "c: no key tcti=a:/c, as in man/tabrmd.conf.5"]),
    ({SOURCE: C, PAGE: MAN, KEYS_PAGE: KEYS, FILE: CONF + "#help=no\n", LIST: TABLE},
     ["c: no key help=no, as in conf/tabrmd.conf"]),
    ({SOURCE: C, PAGE: MAN, KEYS_PAGE: KEYS.replace(".B idle", ".BR tcti ,\n.B idle", 1), FILE: CONF,
      LIST: TABLE},
     ["c: no option that a reload changes .*: tcti, as in man/tabrmd.conf.5"]),
    ({SOURCE: C, PAGE: MAN, KEYS_PAGE: KEYS.replace(".B idle", "idle", 1), FILE: CONF, LIST: TABLE},
     ["conf.5: no option that a reload changes .*: idle-release"]),
    ({SOURCE: C, PAGE: MAN}, ["tabrmd.conf.5: not there", "conf/tabrmd.conf: not there",
                              "doc/options.md: not there"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
