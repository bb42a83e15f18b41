# SPDX-License-Identifier: BSD-2-Clause
"""What the checks of the source tree share.

A check is a function from the root of a source tree to a list of findings, one line each. Run
with a root, a check prints its findings and exits 1 when there are any, 77 when a program that it
needs is missing. Run with --self-test, it is tried on small trees that are known to be good or
bad, so that a check which can no longer fail does not go unnoticed.
"""
import os
import re
import sys
import tempfile

SKIPPED = 77


class Missing(Exception):
    """A program that a check needs is not on this machine."""


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
    except Missing as missing:
        print(missing)
        sys.exit(SKIPPED)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
