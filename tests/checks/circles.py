# SPDX-License-Identifier: BSD-2-Clause
"""No circle of files, so that each can be read by who has read what it uses.

A file uses another one when it includes it, or when it names a function that the other one defines.
"""
import csource
import includes
import tree

DIRECTORIES = ("daemon/", "client-tcti/", "tabrmctl/")


def program(path):
    """The files that are linked together: in them a function's name means the same."""
    return path.split("/")[0]


def includes_of(root, path, text):
    targets = {
        includes.resolve(root, path, name)
        for kind, name in includes.INCLUDE.findall(text)
        if kind == '"'
    }
    return {target for target in targets if target and target.startswith(DIRECTORIES)}


def graph_of(root):
    """For each file the files that it uses."""
    texts = {
        path: tree.read(root, path)
        for path in tree.files(root, ".c", ".h")
        if path.startswith(DIRECTORIES)
    }
    bare = {path: csource.bare(text) for path, text in texts.items()}
    defined = {path: list(csource.functions(text)) for path, text in bare.items()}
    homes = {
        (program(path), function.name): path
        for path, functions in defined.items()
        for function in functions
        if not function.static
    }
    graph = {}
    for path, text in texts.items():
        graph[path] = includes_of(root, path, text)
        # A header names functions to declare them.
        if path.endswith(".c"):
            foreign = csource.names(bare[path]) - {function.name for function in defined[path]}
            graph[path] |= {homes.get((program(path), name)) for name in foreign}
        graph[path] -= {None, path}
    return graph


def circles_of(graph):
    """The sets of files that lead to each other: Tarjan's strongly connected components."""
    index, low, stack, found = {}, {}, [], []

    def visit(path):
        index[path] = low[path] = len(index)
        stack.append(path)
        for target in sorted(graph[path]):
            if target not in index:
                visit(target)
            if target in stack:
                low[path] = min(low[path], low[target])
        if low[path] == index[path]:
            start = stack.index(path)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for path in sorted(graph):
        if path not in index:
            visit(path)
    return found


def check(root):
    graph = graph_of(root)
    return [
        "a circle of files: " + ", ".join(
            f"{path} uses {target}"
            for path in circle
            for target in sorted(graph[path] & set(circle)))
        for circle in circles_of(graph)
    ]


SAMPLES = [
    (
        {
            "daemon/rm/a.h": '#include "rm/types.h"\nvoid a(void);\n',
            "daemon/rm/a.c": '#include "rm/a.h"\n#include "rm/b.h"\n\nvoid a(void)\n{\n    b();\n}\n',
            "daemon/rm/b.h": '#include "rm/types.h"\nvoid b(void);\n',
            # Another program's a(), a comment and a name of its own are no use of a().
            "daemon/rm/b.c": '#include "rm/b.h"\n\n/* a() */\nvoid b(void)\n{\n    say("a");\n}\n',
            "daemon/rm/types.h": "struct a;\n",
            "client-tcti/c.c": "void b(void)\n{\n    c_a();\n}\n",
            "client-tcti/d.c": "static void a(void)\n{\n}\n\nvoid c_a(void)\n{\n    a();\n}\n",
        },
        [],
    ),
    (
        {
            "daemon/rm/a.h": "void a(void);\n",
            "daemon/rm/a.c": '#include "rm/c.h"\n\nvoid a(void)\n{\n    c();\n}\n',
            "daemon/rm/b.c": '#include "rm/a.h"\n\nvoid b(int x,\n       int y)\n{\n    a();\n}\n',
            "daemon/rm/c.h": "void c(void);\nvoid b(int x, int y);\n",
            "daemon/rm/c.c": '#include "rm/c.h"\n\nvoid c(void)\n{\n    b(1, 2);\n}\n',
        },
        [r"a\.c uses daemon/rm/c\.c, daemon/rm/b\.c uses daemon/rm/a\.c, daemon/rm/c\.c uses .*b\.c"],
    ),
    (
        {
            "client-tcti/a.h": '#include "b.h"\n',
            "client-tcti/b.h": '#include "a.h"\n',
            "daemon/a.c": "void a(void)\n{\n    b();\n}\n",
            "daemon/bus/b.c": "void b(void)\n{\n    run(a);\n}\n",
        },
        [r"tcti/a\.h uses client-tcti/b\.h, .*b\.h uses", r"daemon/a\.c uses daemon/bus/b\.c"],
    ),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
