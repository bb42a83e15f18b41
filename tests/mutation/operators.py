# SPDX-License-Identifier: BSD-2-Clause
"""One-line mutants of C code: which there are of a file, and what each makes of its line.

Run with --self-test, it is tried on lines whose mutants are known.
"""
import re
import sys

# What is looked for in a line, and what the first place of it becomes.
OPERATORS = [
    (r" == ", " != "),
    (r" != ", " == "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" <= ", " < "),
    (r" >= ", " > "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r"\breturn true;", "return false;"),
    (r"\breturn false;", "return true;"),
    (r" \+ 1\b", ""),
    (r" - 1\b", ""),
    (r"\+\+", "--"),
    (r"if \(!", "if ("),
    (r" = true;", " = false;"),
    (r" = false;", " = true;"),
    # A call, or an assignment, is left out.
    (r"^(\s+)(\w+\([^;]*\);)$", r"\1(void)0;"),
    (r"^(\s+)(\w[\w>.\[\]-]* (?:\+|-|)= [^;]*;)$", r"\1(void)0;"),
]


class Mutant:
    """Line `number`, counted from 1, of file `path` reads `new` in the place of `old`."""

    def __init__(self, path, number, old, new):
        self.path, self.number, self.old, self.new = path, number, old, new

    def source(self, original):
        lines = original.split("\n")
        lines[self.number - 1] = self.new
        return "\n".join(lines)

    def __str__(self):
        return f"{self.path}:{self.number}: {self.old.strip()}  =>  {self.new.strip()}"


def is_code(line):
    """A line inside of a function; asserts and log lines are no behaviour."""
    return (line.startswith(" ") and not line.startswith(" *")
            and "assert(" not in line and "log_" not in line)


def mutants(path, source):
    for number, line in enumerate(source.split("\n"), 1):
        if is_code(line):
            for old, new in OPERATORS:
                if re.search(old, line):
                    yield Mutant(path, number, line, re.sub(old, new, line, count=1))


SAMPLES = [
    ("int x;\n * a == b\n    assert(a == b);\n    log_info(a == b);", []),
    ("    if (!a && b == c)",
     [(1, "    if (!a && b != c)"), (1, "    if (!a || b == c)"), (1, "    if (a && b == c)")]),
    ("{\n    a->b[i++] = c - 1;\n    return true;",
     [(2, "    a->b[i++] = c;"), (2, "    a->b[i--] = c - 1;"), (3, "    return false;")]),
    ("    free(a);\n        a.b += 2;", [(1, "    (void)0;"), (2, "        (void)0;")]),
    ("    for (a = 0; a < b; a++)",
     [(1, "    for (a = 0; a <= b; a++)"), (1, "    for (a = 0; a < b; a--)")]),
]


def self_test():
    wrong = 0
    for source, expected in SAMPLES:
        found = [(mutant.number, mutant.new) for mutant in mutants("a.c", source)]
        if found != expected:
            print(f"mutants of {source!r}: expected {expected}, found {found}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else __doc__)
