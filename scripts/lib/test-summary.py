# SPDX-License-Identifier: BSD-2-Clause
"""Counts test cases in the logs of `meson test`, and sets requirements against them.

A cmocka program counts with each of its cases, in its standard or its TAP output, any other test
as one. A case that began and did not end (the program crashed or was stopped) has failed. A program
whose cases all passed and that failed nevertheless, by a leak for instance, is one failure more.
One that was skipped whole says why with its last line.
"""
import argparse
import json
import os
import re
import sys

CASE = re.compile(r"\[ {1,7}(RUN|OK|FAILED|SKIPPED) +\] (\w+)")
TAP = re.compile(r"^(not )?ok\b *\d* *(?:- )?(\w*)(?:.*# (SKIP) *(\w*))?", re.M)
REQUIREMENT = re.compile(r"(?:^|[_\W])(R\d\d+)(?=_|\W|$)")
OUTCOME = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
RESULT = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def cases_of(test):
    """Yields (name, outcome) for each case of one entry of the log."""
    program = re.split(r" / | - \w+:", test["name"])[-1]
    result = RESULT.get(test["result"], "failed")
    output = test.get("stdout") or ""
    cases = []
    for kind, name in CASE.findall(output):
        if kind == "RUN":
            cases.append([name, "failed"])
        elif cases and cases[-1][0] == name:
            cases[-1][1] = OUTCOME[kind]
    if not cases:
        for wrong, name, skip, skipped_name in TAP.findall(output):
            cases.append([name or skipped_name,
                          "skipped" if skip else "failed" if wrong else "passed"])
    for name, outcome in cases:
        yield f"{program}: {name}", outcome
    if not cases or (result == "failed" and all(outcome != "failed" for _, outcome in cases)):
        reason = output.strip().rsplit("\n", 1)[-1]
        yield f"{program}: {reason}" if result == "skipped" and reason else program, result


def read_logs(paths):
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                yield from cases_of(json.loads(line))


def required_numbers(path):
    with open(path, encoding="utf-8") as lines:
        words = [line.split("#")[0].strip() for line in lines]
    return [word for word in words if word]


def requirements(cases, required):
    """Maps each number that is required or that a test carries to its cases."""
    table = {number: [] for number in required}
    for name, outcome in cases:
        for number in REQUIREMENT.findall(name):
            table.setdefault(number, []).append((name, outcome))
    return table


def write_table(path, table):
    with open(path, "w", encoding="utf-8") as out:
        for number in sorted(table):
            out.write(f"{number}\n")
            for name, outcome in table[number]:
                out.write(f"    {outcome:8}{name}\n")
            if not table[number]:
                out.write("    no test\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--status", type=int, default=0, help="exit status of meson test")
    parser.add_argument("--whole", action="store_true", help="all tests ran: check requirements")
    parser.add_argument("--required", help="file with the requirement numbers to prove")
    parser.add_argument("--table", help="file to write requirement numbers and tests to")
    parser.add_argument("logs", nargs="+")
    options = parser.parse_args()

    cases = list(read_logs(options.logs))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for _, outcome in cases:
        count[outcome] += 1
    bad = count["failed"] > 0 or options.status != 0

    print()
    for name, outcome in cases:
        if outcome != "passed":
            print(f"{outcome}: {name}")
    if options.status and not count["failed"]:
        print(f"meson test ended with status {options.status} although no test failed")
    if options.whole:
        table = requirements(cases, required_numbers(options.required))
        write_table(options.table, table)
        for number in required_numbers(options.required):
            if not any(outcome == "passed" for _, outcome in table[number]):
                print(f"requirement {number}: no passing test carries this number in its name")
                bad = True
    if not count["passed"]:
        print("no test passed")
        bad = True

    line = f"{count['passed']} passed, {count['failed']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
