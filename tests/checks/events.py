# SPDX-License-Identifier: BSD-2-Clause
"""tabrmd(8) lists the events of the log with the names, levels and ids that they have, and each event
is told somewhere.
"""
import re

import tree

TABLE = "daemon/base/log-event.c"
OWN = ("daemon/base/log-event.c", "daemon/base/log-event.h")
PAGE = "man/tabrmd.8"

ROW = re.compile(r'\[(LOG_EVENT_\w+)\] =\s*\{\s*"([a-z-]+)",\s*"([0-9a-f]*)",\s*LOG_LEVEL_(\w+),')
ENTRY = re.compile(r'^\.BR ([a-z\\-]+) " \((\w+)\) " ([0-9a-f]+)$', re.M)


def compare(table, page):
    for name in sorted(table.keys() - page.keys()):
        yield f"{PAGE}: no event {name}"
    for name in sorted(page.keys() - table.keys()):
        yield f"{TABLE}: no event {name}, as in {PAGE}"
    for name in sorted(name for name in table.keys() & page.keys() if table[name] != page[name]):
        yield f"{PAGE}: {name} is {' '.join(page[name])}, and {' '.join(table[name])} in {TABLE}"


def check(root):
    paths = tree.files(root)
    absent = [path for path in (TABLE, PAGE) if path not in paths]
    if absent:
        return [f"{path}: not there" for path in absent]
    rows = ROW.findall(tree.read(root, TABLE))
    section = re.search(r"^\.SH LOG\n(.*?)(?=^\.SH|\Z)", tree.read(root, PAGE), re.M | re.S)
    entries = ENTRY.findall(section.group(1) if section else "")
    code = "".join(tree.read(root, path) for path in tree.files(root, ".c")
                   if path.startswith("daemon/") and path not in OWN)
    findings = list(compare({name: (level.lower(), id_) for _, name, id_, level in rows},
                            {name.replace("\\", ""): (level, id_) for name, level, id_ in entries}))
    findings += [f"{TABLE}: {constant} is told nowhere" for constant, *_ in rows
                 if not re.search(rf"\b{constant}\b", code)]
    return findings


GOOD = {
    TABLE: 'x = {\n    [LOG_EVENT_A_B] = {"a-b", "0f", LOG_LEVEL_INFO, "x"},\n'
           '    [LOG_EVENT_C] =\n        {\n            "c", "1f",\n            LOG_LEVEL_ERROR, NULL},\n};\n',
    "daemon/x.c": "log_event(LOG_EVENT_A_B, y);\nlog_event(LOG_EVENT_C, y);\n",
    PAGE: '.SH LOG\n.TP\n.BR a\\-b " (info) " 0f\nText.\n.TP\n.BR c " (error) " 1f\nText.\n.SH X\n',
}
SAMPLES = [
    (GOOD, []),
    ({**GOOD, PAGE: GOOD[PAGE].replace("0f", "0e")}, ["a-b is info 0e, and info 0f"]),
    ({**GOOD, PAGE: GOOD[PAGE].replace("error", "info")}, ["c is info 1f, and error 1f"]),
    ({**GOOD, PAGE: GOOD[PAGE].replace(" c ", " d ")}, ["no event c", "no event d, as in"]),
    ({**GOOD, PAGE: GOOD[PAGE].replace("LOG", "LOGS")}, ["no event a-b", "no event c"]),
    ({**GOOD, "daemon/x.c": "log_event(LOG_EVENT_A_BC, y); LOG_EVENT_C\n"}, ["LOG_EVENT_A_B is told nowhere"]),
    ({"x": ""}, ["log-event.c: not there", "tabrmd.8: not there"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
