# SPDX-License-Identifier: BSD-2-Clause
"""What the compiler and the linker were to do against attacks is in what they have built.

    hardening.py built [--without=WHAT]... BINARY...
                                      the binaries of a build with sanitizers or without; WHAT, by
                                      one of the names below, was not asked of the compiler
    hardening.py release SOURCE_ROOT  builds for release, as a packager does too, and looks there
    hardening.py --self-test

With readelf: position independence, full RELRO, a stack that is not executable, stack protector,
asserts; and as gcc's debugging information tells it, where there is some (clang's names no options),
stack-clash protection, and CET where the machine is x86 (the mark of the whole is missing where the
C library's start files are built without it). Without sanitizers also the checked functions of
_FORTIFY_SOURCE and zero-initialized locals.
"""
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile

import tree

PACKAGER_CFLAGS = "-O2 -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fcf-protection=full"
PACKAGER_LDFLAGS = "-Wl,-z,relro -Wl,-z,now"
# Flags of which one is enough.
FAMILIES = [
    "-D_FORTIFY_SOURCE",
    "-fstack-protector",
    "-fstack-clash-protection",
    "-fcf-protection",
    "-ftrivial-auto-var-init",
]


def findings_of(name, text, sanitized, x86, without=()):
    """What is missing in a binary, of which `text` is what readelf says."""
    options = re.search(r"DW_AT_producer.*: GNU ", text) is not None
    wanted = {
        "position independence": r"Type:\s+DYN",
        "RELRO": r"GNU_RELRO",
        "immediate binding": r"BIND_NOW|Flags:.*\bNOW\b",
        "a stack that is not executable": r"GNU_STACK(?:\s+0x[0-9a-f]+)+\s+RW ",
        "the stack protector": r"__stack_chk_fail",
        "asserts": r"__assert_fail",
    }
    if options:
        wanted["stack-clash protection"] = r"DW_AT_producer.*-fstack-clash-protection"
    if options and x86:
        wanted["CET"] = r"DW_AT_producer.*-fcf-protection"
    if not sanitized:
        wanted["checked functions"] = r"__\w+_chk@GLIBC"
    if options and not sanitized:
        wanted["zero-initialized locals"] = r"DW_AT_producer.*-ftrivial-auto-var-init=zero"
    return [
        f"{name}: without {what}"
        for what, pattern in wanted.items()
        if what not in without and not re.search(pattern, text)
    ]


def readelf(path, *options):
    program = tree.program("readelf", "binutils")
    return subprocess.run(
        [program, "-W", *options, path], capture_output=True, text=True, check=True
    ).stdout


def check_binary(path, without=()):
    text = readelf(path, "-h", "-l", "-d", "--dyn-syms")
    text += readelf(path, "--debug-dump=info", "--dwarf-depth=1")
    sanitized = re.search(r"NEEDED.*lib[at]san\.", text) is not None
    x86 = platform.machine() == "x86_64"
    return findings_of(os.path.basename(path), text, sanitized, x86, without)


def setup(source, build, **environment):
    subprocess.run(
        ["meson", "setup", build, source, "--buildtype=release", "-Ddebug=true"]
        + ["-Dtests=disabled", "-Dwerror=true"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def repeated_flags(build):
    """Flags that a file of the daemon is compiled with more than once."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = [entry["command"] for entry in json.load(file)]
    command = next(command for command in commands if command.endswith("daemon/main.c"))
    words = shlex.split(command)
    counts = {family: sum(word.startswith(family) for word in words) for family in FAMILIES}
    return [f"{family}: {count} times" for family, count in counts.items() if count != 1]


def check_release(source):
    library = "client-tcti/libtss2-tcti-tabrmd.so.0.0.0"
    with tempfile.TemporaryDirectory() as work:
        ours, packaged = os.path.join(work, "ours"), os.path.join(work, "packaged")
        setup(source, ours)
        findings = repeated_flags(ours)
        subprocess.run(
            ["ninja", "-C", ours, "daemon/tabrmd", library], stdout=subprocess.DEVNULL, check=True
        )
        for path in ("daemon/tabrmd", library):
            findings += check_binary(os.path.join(ours, path))
        setup(source, packaged, CFLAGS=PACKAGER_CFLAGS, LDFLAGS=PACKAGER_LDFLAGS)
        findings += [f"with a packager's flags: {text}" for text in repeated_flags(packaged)]
    return findings


GOOD = """
  Type:                              DYN (Position-Independent Executable file)
  GNU_STACK      0x000000 0x0000000000000000 0x0000000000000000 0x000000 0x000000 RW  0x10
  GNU_RELRO      0x053c50 0x0000000000054c50 0x0000000000054c50 0x0013b0 0x0013b0 R   0x1
 0x0000000000000018 (BIND_NOW)
     5: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __stack_chk_fail@GLIBC_2.4 (2)
     6: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __assert_fail@GLIBC_2.2.5 (3)
     7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __snprintf_chk@GLIBC_2.3.4 (4)
    <c>   DW_AT_producer    : GNU C11 -fstack-clash-protection -fcf-protection
    <f>   DW_AT_producer    : GNU C11 -ftrivial-auto-var-init=zero
"""


def self_test():
    """Without any of its lines the good one is found fault with."""
    wrong = len(findings_of("good", GOOD, False, True))
    for line in GOOD.strip().splitlines():
        wrong += not findings_of("bad", GOOD.replace(line, ""), False, True)
    wrong += not findings_of("bad", GOOD.replace("RW  0x10", "RWE 0x10"), False, True)
    unchecked = GOOD.replace("__snprintf_chk", "snprintf")
    wrong += len(findings_of("release", unchecked, False, True)) != 1
    wrong += len(findings_of("sanitized", unchecked, True, True)) != 0
    bare = re.sub(r".*(DW_AT_producer|__assert_fail).*\n", "", GOOD)
    wrong += findings_of("ndebug", bare, False, True, ["asserts"]) != []
    wrong += findings_of("bare", bare, False, True) != ["bare: without asserts"]
    clang = re.sub("DW_AT_producer.*", "DW_AT_producer    : clang version 14.0.6", GOOD)
    wrong += findings_of("clang", clang, False, True) != []
    wrong += len(findings_of("unoptimized", unchecked, False, True, ["checked functions"])) != 0
    print(f"{wrong} wrong")
    return wrong != 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    kind, *words = arguments
    without = [word.split("=")[1] for word in words if word.startswith("--without=")]
    paths = [word for word in words if not word.startswith("--")]
    try:
        if kind == "release":
            findings = sum((check_release(path) for path in paths), [])
        else:
            findings = sum((check_binary(path, without) for path in paths), [])
    except tree.Unchecked as unchecked:
        return tree.leave(unchecked)
    for finding in findings:
        print(finding)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
