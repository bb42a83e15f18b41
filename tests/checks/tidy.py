# SPDX-License-Identifier: BSD-2-Clause
"""clang-tidy finds nothing in the daemon, the library and tabrmctl; .clang-tidy says what it looks for.

Other versions look for other things, so that only WANTED is asked. The arguments are the tree and a
build directory of it, whose compile_commands.json says how each file is compiled.
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree

WANTED = "14"
FINDING = re.compile(r"(?:warning|error): .*\[[\w.,-]+\]$")


def clang_tidy():
    programs = list(filter(None, map(shutil.which, (f"clang-tidy-{WANTED}", "clang-tidy"))))
    for program in programs:
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        if f"version {WANTED}." in said:
            return program
    if programs:
        raise tree.Unchecked(f"clang-tidy is not version {WANTED}: sources not checked")
    raise tree.Missing("clang-tidy", "clang-tidy")


def sources(root, build):
    """What is compiled of the tree's own files of the daemon, the library and tabrmctl."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    paths = {os.path.relpath(os.path.join(e["directory"], e["file"]), root) for e in entries}
    return sorted(path for path in paths if path.startswith(("daemon/", "client-tcti/", "tabrmctl/")))


def check_file(program, root, build, path):
    # The compiler's own warnings are the build's, and -Werror is gcc's.
    command = [program, "--quiet", "-p", build, "--extra-arg=-w", os.path.join(root, path)]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    found = [line for line in run.stdout.splitlines() if FINDING.search(line)]
    if run.returncode and not found:
        found = [f"{path}: {run.stdout}{run.stderr}".strip()]
    return found


def check(root, build):
    program = clang_tidy()
    root, build = os.path.abspath(root), os.path.abspath(build)
    paths = sources(root, build)
    if not paths:
        return [f"{build}: nothing of the daemon is compiled there"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(check_file, program, root, build, path) for path in paths]
    return sorted({line for job in jobs for line in job.result()})


def findings_of(text):
    with tempfile.TemporaryDirectory() as root:
        tree.write_sample(root, {"daemon/a.c": text})
        shutil.copy(os.path.join(os.path.dirname(__file__), "..", "..", ".clang-tidy"), root)
        entry = {"directory": root, "file": "daemon/a.c", "command": "cc -Werror -c daemon/a.c"}
        with open(os.path.join(root, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump([entry], file)
        return check(root, root)


def self_test():
    good = findings_of("int f(int *p)\n{\n    return *p;\n}\n")
    bad = findings_of("int f(int a)\n{\n    int *p = 0;\n    return a == a ? *p : 1;\n}\n")
    print(good, bad)
    return bool(good) or not any("redundant-expression" in line for line in bad) \
        or not any("NullDereference" in line for line in bad)


def main(arguments):
    try:
        if arguments == ["--self-test"]:
            return self_test()
        findings = check(*arguments)
    except tree.Unchecked as unchecked:
        return tree.leave(unchecked)
    for finding in findings:
        print(finding)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
