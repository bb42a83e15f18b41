# SPDX-License-Identifier: BSD-2-Clause
"""Which tests reach which lines, how long they take, and that they pass when nothing is changed.

Each test is run once from the build with counts, and once from the one with sanitizers. What was
found is kept for as long as its program stays the same.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys

import processes

# A process that a test forked and that ends by _exit() would leave no counts.
COUNT_AT_EXIT = """
void exit(int);
void _exit(int status) { exit(status); }
"""

# Seconds for a test that nothing is known of yet.
FIRST_CPU_LIMIT = 1200

# To link a test program anew, about.
LINK_SECONDS = 0.5


def digest(test):
    state = hashlib.sha256(repr(test.command).encode())
    for path in sorted(test.files):
        with open(path, "rb") as file:
            state.update(file.read())
    return state.hexdigest()


def write(path, value):
    """So that a run that is ended in the middle leaves the file of the one before."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


def cpu_limit(cpu):
    """For a mutant's run, from what the test takes otherwise; seconds of processor time."""
    return int(10 + 5 * cpu)


class Reach:
    """For each test: `cpu`, seconds of processor time; `reached`, the lines by file; `known`, those
    that have code, reached or not."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.path = os.path.join(workshop.directory, "reach.json")
        self.tests = {}
        self.noticed_path = os.path.join(workshop.directory, "noticed.json")
        self.noticed = {}
        if os.path.isfile(self.noticed_path):
            with open(self.noticed_path, encoding="utf-8") as file:
                self.noticed = json.load(file)

    def measure(self, longest):
        """All but tests that take more than `longest` seconds of processor time."""
        kept = {}
        if os.path.isfile(self.path):
            with open(self.path, encoding="utf-8") as file:
                kept = json.load(file)
        counted = self.workshop.tests("counted")
        for name, test in self.workshop.tests("sanitized").items():
            state = [digest(test), digest(counted[name])]
            if name in kept and (kept[name]["state"] == state or kept[name]["cpu"] > longest):
                self.tests[name] = kept[name]
                continue
            print(f"measuring {name}", flush=True)
            self.tests[name] = {"state": state, "cpu": self.try_test(test),
                                **self.count(counted[name])}
            write(self.path, {**kept, **self.tests})
        self.tests = {name: test for name, test in self.tests.items() if test["cpu"] <= longest}

    def try_test(self, test):
        outcome = processes.run(test.command, test.environment, test.directory, FIRST_CPU_LIMIT)
        if outcome.failure:
            sys.exit(f"{outcome.output}\n{test.name} fails with nothing changed: {outcome.failure}")
        return outcome.cpu

    def count_at_exit(self):
        library = os.path.join(self.workshop.directory, "count-at-exit.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", library, "-x", "c", "-"], check=True,
                       input=COUNT_AT_EXIT.encode())
        return library

    def count(self, test):
        build = self.workshop.build_path("counted")
        counts = os.path.join(self.workshop.directory, "counts")
        shutil.rmtree(counts, ignore_errors=True)
        environment = dict(test.environment, GCOV_PREFIX=counts, LD_PRELOAD=self.count_at_exit(),
                           GCOV_PREFIX_STRIP=str(build.strip("/").count("/") + 1))
        processes.run(test.command, environment, test.directory, FIRST_CPU_LIMIT)
        found = {"reached": {}, "known": {}}
        files = [os.path.join(directory, name) for directory, _, names in os.walk(counts)
                 for name in names if name.endswith(".gcda")]
        for file in files:
            notes = os.path.splitext(file)[0] + ".gcno"
            os.symlink(os.path.join(build, os.path.relpath(notes, counts)), notes)
        if files:
            output = subprocess.check_output(["gcov", "--json-format", "--stdout", *files], cwd=build,
                                             stderr=subprocess.DEVNULL, encoding="utf-8")
            for document in filter(None, output.split("\n")):
                self.add_counts(found, json.loads(document))
        return {kind: {path: sorted(lines) for path, lines in by_path.items()}
                for kind, by_path in found.items()}

    def add_counts(self, found, document):
        for file in document["files"]:
            full = os.path.join(document["current_working_directory"], file["file"])
            path = os.path.relpath(os.path.realpath(full), self.workshop.tree)
            if path.startswith(".."):
                continue
            for line in file["lines"]:
                found["known"].setdefault(path, set()).add(line["line_number"])
                if line["count"] > 0:
                    found["reached"].setdefault(path, set()).add(line["line_number"])

    def tests_of(self, path, number):
        """Names of the tests that reach a line. One in the middle of a statement may have no count of
        its own; then it is all tests of the file. What has noticed much in this file for its time
        comes first, and the model last."""
        known = any(number in test["known"].get(path, []) for test in self.tests.values())
        names = [name for name, test in self.tests.items()
                 if (number in test["reached"].get(path, []) if known
                     else test["reached"].get(path))]
        return sorted(names, key=lambda name: (name == "model", self.price(path, name)))

    def price(self, path, name):
        """Seconds, those for linking too, for each mutant that the test noticed so far, and one."""
        return (LINK_SECONDS + self.tests[name]["cpu"]) / (1 + self.noticed.get(path, {}).get(name, 0))

    def note(self, path, name):
        """The test has noticed a mutant of this file."""
        by_name = self.noticed.setdefault(path, {})
        by_name[name] = by_name.get(name, 0) + 1
        write(self.noticed_path, self.noticed)

    def cpu_limit(self, name):
        return cpu_limit(self.tests[name]["cpu"])
