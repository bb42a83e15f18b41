# SPDX-License-Identifier: BSD-2-Clause
"""Functions are short, and structures have few members.

The resource manager's structures are plain data that belongs together, and may have more.
"""
import re
from statistics import median

import csource
import tree

DIRECTORIES = ("daemon/", "client-tcti/", "tabrmctl/")
FUNCTION_LIMIT = 45
MEDIAN_LIMIT = 15
STRUCT_LIMIT = 20
PLAIN_DATA = "daemon/rm/"


def check_functions(path, text, lengths):
    functions = list(csource.functions(text))
    lengths += [function.lines for function in functions]
    if len(re.findall(r"^\{$", text, re.M)) != len(functions):
        yield f"{path}: has a function that this check does not understand"
    for function in functions:
        if function.lines > FUNCTION_LIMIT:
            yield (f"{path}:{function.line}: {function.name}() has {function.lines} lines, "
                   f"at most {FUNCTION_LIMIT} may be")


def check_structs(path, text):
    if path.startswith(PLAIN_DATA):
        return
    for struct in csource.structs(text):
        if struct.members > STRUCT_LIMIT:
            yield (f"{path}:{struct.line}: struct {struct.name} has {struct.members} members, "
                   f"at most {STRUCT_LIMIT} may be")


def check(root):
    findings, lengths = [], []
    for path in tree.files(root, ".c", ".h"):
        if path.startswith(DIRECTORIES):
            text = csource.bare(tree.read(root, path))
            findings += check_functions(path, text, lengths)
            findings += check_structs(path, text)
    if lengths and median(lengths) > MEDIAN_LIMIT:
        findings.append(f"the median function has {median(lengths)} lines, at most {MEDIAN_LIMIT} "
                        "may be")
    return findings


def function_of(lines, head="int f(void)"):
    """A function with so many lines in all."""
    return f"{head}\n{{\n" + "    ;\n" * (lines - 3) + "}\n"


SHORT = "".join(function_of(5, f"static void s{i}(int a,\n              int b)") for i in range(9))
MEMBERS = "".join(f"    int m{i};\n" for i in range(STRUCT_LIMIT - 3))

SAMPLES = [
    (
        {
            "daemon/a.c": SHORT + function_of(FUNCTION_LIMIT),
            "daemon/a.h": "struct a {\n" + MEMBERS + "    void (*f)(int a, int b);\n"
                          "    struct {\n        int c, d, e;\n    } inner; /* int f, g; */\n"
                          "    int last[M(1, 2)];\n};\n",
            "daemon/rm/r.h": "struct r {\n" + MEMBERS * 2 + "};\n",
            "tests/t.c": function_of(90),
        },
        [],
    ),
    (
        {
            "daemon/a.c": SHORT + function_of(FUNCTION_LIMIT + 1, "struct a *f(struct a *(*g)(int))"),
            "client-tcti/a.h": "struct a {\n" + MEMBERS + "    int b, *c,\n        d, e[2];\n};\n",
            "daemon/inner.c": "static struct {\n    struct inner {\n" + MEMBERS
                              + "        int b, c, d, e;\n    } a;\n} z;\n",
        },
        [r"a\.h:1: struct a has 21", r"a\.c:55: f\(\) has 46 lines", r"inner\.c:2: struct inner has 21"],
    ),
    ({"daemon/a.c": function_of(14) + function_of(17) * 2}, ["median function has 17"]),
    ({"daemon/a.c": "int f(a)\n    int a;\n{\n}\n"}, ["does not understand"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
