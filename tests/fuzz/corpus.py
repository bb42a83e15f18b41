# SPDX-License-Identifier: BSD-2-Clause
"""Seeds of the fuzz targets, kept as text.

A list has one seed a line: its name, and its bytes as a Python bytes literal. Lines that are empty
or start with # are skipped.

    corpus.py unpack LIST DIRECTORY   writes each seed to a file of its name
    corpus.py line FILE NAME          prints the line for a file that a fuzzer has left
"""
import ast
import os
import sys


def read_list(path):
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, literal = line.strip().partition(" ")
            try:
                seed = ast.literal_eval(literal.strip())
            except (SyntaxError, ValueError):
                seed = None
            if not isinstance(seed, bytes) or "/" in name or name.startswith("."):
                sys.exit(f"{path}:{number}: not a name and a bytes literal")
            yield name, seed


def unpack(path, directory):
    os.makedirs(directory, exist_ok=True)
    seeds = dict(read_list(path))
    for name in os.listdir(directory):
        if name not in seeds:
            os.unlink(os.path.join(directory, name))
    for name, seed in seeds.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(seed)


def line(path, name):
    with open(path, "rb") as file:
        print(name, ascii(file.read()))


def main():
    commands = {"unpack": unpack, "line": line}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
