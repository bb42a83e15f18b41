# SPDX-License-Identifier: BSD-2-Clause
"""What the checks of the source tree share.

A check is a function from the root of a source tree to a list of findings, one line each. Run
with a root, a check prints its findings and exits 1 when there are any. One that lacks a program
exits 77, or 1 with TABRMD_TEST_WHOLE set, as by scripts/test; one that has nothing to say about this
tree or machine exits 77. Run with --self-test, a check is tried on small trees that are known to be
good or bad, so that one which can no longer fail does not go unnoticed.
"""
import os
import re
import shutil
import sys
import tempfile

SKIPPED = 77


class Unchecked(Exception):
    """A check has nothing to say about this tree or machine; why."""


class Missing(Unchecked):
    """A program that a check needs is not on this machine."""

    def __init__(self, program, package):
        super().__init__(f"{program} is missing: install Debian's package {package}")


def program(name, package):
    path = shutil.which(name)
    if not path:
        raise Missing(name, package)
    return path


def leave(unchecked):
    """Says why there are no findings, and returns the exit status for that."""
    print(unchecked)
    whole = isinstance(unchecked, Missing) and os.environ.get("TABRMD_TEST_WHOLE")
    return 1 if whole else SKIPPED


def files(root, *suffixes):
    """Paths below root, relative to it and sorted, of source files with one of the suffixes.

    Build directories (build* at the top, as .gitignore has them, and meson's by any name) and .git,
    which is a file in a linked work tree, are left out. The files are looked for on disk, so that a
    tree without git is checked just the same.
    """
    found = []
    for directory, subdirectories, names in os.walk(root):
        if "meson-info" in subdirectories:
            subdirectories.clear()
            continue
        if directory == root:
            subdirectories[:] = [d for d in subdirectories if not d.startswith("build")]
        subdirectories[:] = [d for d in subdirectories if d not in (".git", "__pycache__")]
        for name in set(names) - {".git"}:
            path = os.path.relpath(os.path.join(directory, name), root)
            if os.path.isfile(os.path.join(root, path)) and name.endswith(suffixes or ("",)):
                found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def shell_scripts(root):
    """Shell scripts: by their first line, or by their name when they are only sourced."""
    return [
        path
        for path in files(root)
        if path.endswith(".sh") or re.match(r"#!.*\b(ba|da)?sh\b", read(root, path))
    ]


def write_sample(root, sample):
    for path, content in sample.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(content)


def self_test(check, samples):
    """Samples are pairs of a tree, path to content, and what is to be found in it, a regular
    expression for each finding in order."""
    wrong = 0
    for number, (sample, expected) in enumerate(samples):
        with tempfile.TemporaryDirectory() as root:
            write_sample(root, sample)
            findings = check(root)
        matches = [re.search(want, got) for want, got in zip(expected, findings)]
        if len(findings) != len(expected) or not all(matches):
            print(f"sample {number}: expected {expected}, found {findings}")
            wrong += 1
    if not any(expected for _, expected in samples):
        print("no sample makes this check fail")
        wrong += 1
    return wrong


def main(check, samples):
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT | --self-test")
    try:
        if sys.argv[1] == "--self-test":
            sys.exit(1 if self_test(check, samples) else 0)
        findings = check(sys.argv[1])
    except Unchecked as unchecked:
        sys.exit(leave(unchecked))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


def tried():
    """A program that is missing fails the run of all tests, and nothing else does."""
    statuses = []
    for whole in "", "yes":
        os.environ["TABRMD_TEST_WHOLE"] = whole
        statuses += [leave(Missing("nonesuch", "none")), leave(Unchecked("another version"))]
    return statuses == [SKIPPED, SKIPPED, 1, SKIPPED]


if __name__ == "__main__":
    sys.exit(0 if tried() else 1)
