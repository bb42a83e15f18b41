# SPDX-License-Identifier: BSD-2-Clause
"""Functions that a file exports carry its name: that of the file, with its directory's in front or
without, or that of a structure that the file's header declares.
"""
import csource
import tree

DIRECTORIES = ("daemon/", "client-tcti/")
# Whose names others have laid down.
FOREIGN = {"main", "Tss2_Tcti_Tabrmd_Init", "Tss2_Tcti_Info"}


def prefixes(root, path):
    """What the exported functions of a source file may begin with."""
    *_, directory, name = ("/" + path[:-2].replace("-", "_")).split("/")
    header = path[:-2] + ".h"
    structs = []
    if header in tree.files(root, ".h"):
        structs = [struct.name for struct in csource.structs(csource.bare(tree.read(root, header)))]
    return [name, f"{directory}_{name}", *structs]


def check(root):
    findings = []
    for path in tree.files(root, ".c"):
        if not path.startswith(DIRECTORIES):
            continue
        allowed = prefixes(root, path)
        for function in csource.functions(csource.bare(tree.read(root, path))):
            if not function.static and function.name not in FOREIGN and not any(
                    f"{function.name}_".startswith(f"{prefix}_") for prefix in allowed):
                findings.append(f"{path}:{function.line}: {function.name}() does not begin with "
                                f"{allowed[0]}_")
    return findings


SAMPLES = [
    (
        {
            "daemon/a/b-c.h": "struct d {\n    int e;\n};\n",
            "daemon/a/b-c.c": "int b_c(void)\n{\n}\nint b_c_f(void)\n{\n}\nint a_b_c_f(void)\n{\n}\n"
                              "int d_f(void)\n{\n}\nstatic int f(void)\n{\n}\n",
            "daemon/main.c": "int main(void)\n{\n}\n",
            "tests/t.c": "int f(void)\n{\n}\n",
        },
        [],
    ),
    ({"daemon/a/b.c": "int f(void)\n{\n}\nint bad(void)\n{\n}\n",
      "daemon/a/g.h": "struct f {\n    int e;\n};\n"},
     [r"b\.c:1: f\(\) does not begin with b_", r"b\.c:4: bad\(\)"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
