#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Do the tests notice when one line of the code is wrong?

    mutate.py [--build DIRECTORY] [--at-least PERCENT] [--longest SECONDS] [--verbose]
              SEED COUNT PLACE...

For each PLACE, a directory, a file, or one line as FILE:LINE, takes COUNT one-line mutants of its C
code, chosen by SEED, and runs the tests of suites `unit` and `client` that reach the line, and then
200 programs of the model, until one fails. Prints each mutant that survives, and the score of each
place: the share of mutants that a test noticed. A mutant that the compiler makes the same code of
as of the original changes nothing, and another one is taken. What survives is a missing test, dead
code, or changes nothing that can be seen from outside.

The work tree is not touched: a copy of it, and its builds, are in build-mutation/, or where --build
says, and are used again by the next run. The first one takes long: it builds everything twice and
runs each test to see what it reaches. --longest leaves out tests that take more processor time than
so many seconds: more survive, but much sooner. --verbose prints what is killed, too, and by which
test. Exit status 1: the score of all places together is below --at-least.
"""
import argparse
import os
import random
import subprocess
import sys

import operators
import processes
from reach import Reach
from workshop import ROOT, Workshop, say


class Score:
    """What became of the mutants of one place."""

    def __init__(self):
        self.killed = self.survived = self.same = self.broken = 0

    def percent(self):
        judged = self.killed + self.survived
        return 100 * self.killed / judged if judged else 100

    def __str__(self):
        return (f"{self.killed} killed, {self.survived} survived: {self.percent():.0f} %"
                f" ({self.same} more changed nothing, {self.broken} did not build)")


class Trial:
    """Makes mutants in the workshop, one at a time, and puts the original back."""

    def __init__(self, workshop, reach):
        self.workshop, self.reach = workshop, reach
        self.tests = workshop.tests("sanitized")
        self.commands = workshop.compile_commands()
        self.objects = {}

    def compiled(self, path):
        """The object code of the file as it is now, or None when it does not compile."""
        output = os.path.join(self.workshop.directory, "probe.o")
        run = subprocess.run([*self.commands[path], "-o", output], stderr=subprocess.DEVNULL,
                             cwd=self.workshop.build_path("sanitized"))
        if run.returncode != 0:
            return None
        with open(output, "rb") as file:
            return file.read()

    def with_mutant(self, mutant, what):
        original = self.workshop.read(mutant.path)
        try:
            self.workshop.write(mutant.path, mutant.source(original))
            return what(mutant)
        finally:
            self.workshop.write(mutant.path, original)

    def is_worth_it(self, mutant, score):
        """Whether the mutant compiles, to other code than the original."""
        if mutant.path not in self.objects:
            self.objects[mutant.path] = self.compiled(mutant.path)
        code = self.with_mutant(mutant, lambda mutant: self.compiled(mutant.path))
        score.broken += code is None
        score.same += code == self.objects[mutant.path]
        return code is not None and code != self.objects[mutant.path]

    def killer(self, mutant):
        """The name of the test that fails, or None."""
        for name in self.reach.tests_of(mutant.path, mutant.number):
            test = self.tests[name]
            if not self.workshop.try_build("sanitized", test.files):
                return "the linker"
            outcome = processes.run(test.command, test.environment, test.directory,
                                    self.reach.cpu_limit(name))
            if outcome.failure:
                self.reach.note(mutant.path, name)
                return f"{name}, {outcome.failure}"
        return None

    def judge(self, mutant, score, verbose):
        killer = self.with_mutant(mutant, self.killer)
        if killer:
            score.killed += 1
            if verbose:
                say(f"killed   {mutant}  [{killer}]")
            return
        score.survived += 1
        unreached = not self.reach.tests_of(mutant.path, mutant.number)
        say(f"SURVIVED {mutant}" + ("  [no test reaches it]" if unreached else ""))


def mutants_of(workshop, place):
    path, _, line = place.partition(":")
    full = os.path.join(workshop.tree, path)
    paths = [path]
    if os.path.isdir(full):
        paths = [os.path.join(path, name) for name in sorted(os.listdir(full))]
    paths = [path for path in paths
             if path.endswith(".c") and os.path.isfile(os.path.join(workshop.tree, path))]
    found = [mutant for path in paths for mutant in operators.mutants(path, workshop.read(path))
             if not line or mutant.number == int(line)]
    if not found:
        sys.exit(f"{place}: no such place, or no code there that has mutants")
    return found


def choose(trial, place, seed, count, score):
    """The mutants to judge, in the order of the files: what is compiled stays of use."""
    found = mutants_of(trial.workshop, place)
    random.Random(seed).shuffle(found)
    chosen = []
    for mutant in found:
        if len(chosen) == count:
            break
        if mutant.path in trial.commands and trial.is_worth_it(mutant, score):
            chosen.append(mutant)
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.number))


def options():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build-mutation"))
    parser.add_argument("--at-least", type=float, default=0)
    parser.add_argument("--longest", type=float, default=float("inf"))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("seed")
    parser.add_argument("count", type=int)
    parser.add_argument("places", nargs="+")
    return parser.parse_args()


def main():
    chosen = options()
    if not processes.protect_devices():
        sys.exit("mutate: root's mutants could change the modes of devices, which cannot be kept from"
                 " that here; run it as another user, or with CAP_SYS_ADMIN")
    processes.adopt_orphans()
    workshop = Workshop(chosen.build)
    workshop.copy_tree()
    workshop.build_all("sanitized")
    workshop.build_all("counted")
    reach = Reach(workshop)
    reach.measure(chosen.longest)
    trial = Trial(workshop, reach)
    scores = {}
    try:
        for place in (place.rstrip("/") for place in chosen.places):
            scores[place] = Score()
            for mutant in choose(trial, place, chosen.seed, chosen.count, scores[place]):
                trial.judge(mutant, scores[place], chosen.verbose)
    except KeyboardInterrupt:
        say("stopped")
    for place, score in scores.items():
        say(f"{place}, seed {chosen.seed}: {score}")
    killed = sum(score.killed for score in scores.values())
    judged = killed + sum(score.survived for score in scores.values())
    return 1 if 100 * killed < chosen.at_least * judged else 0


if __name__ == "__main__":
    sys.exit(main())
