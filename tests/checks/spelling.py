# SPDX-License-Identifier: BSD-2-Clause
"""No word is misspelled, as far as codespell knows the misspelling."""
import subprocess

import tree

# Macros of manual pages and D-Bus's types of two letters.
NOT_WORDS = "te,bu"
# Bytes of fuzzers and drawings have no words.
NO_TEXT = (".list", ".svg")


def check(root):
    codespell = tree.program("codespell", "codespell")
    paths = [path for path in tree.files(root) if not path.endswith(NO_TEXT)]
    findings = []
    for start in range(0, len(paths), 100):
        command = [codespell, "--ignore-words-list", NOT_WORDS, *paths[start:start + 100]]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True)
        findings += run.stdout.splitlines() + run.stderr.splitlines()
    return findings


# The misspelling is put together here so that this file does not hold it.
SAMPLES = [
    ({"README.md": "All words are right.\n.TE\n", "seeds.list": "rec" "ieve\n"}, []),
    ({"a.c": "/* to rec" "ieve */\n"}, ["a.c:1: rec" "ieve ==> receive"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
