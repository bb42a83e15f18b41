# SPDX-License-Identifier: BSD-2-Clause
"""A program that is built with what pkg-config says of the client library finds tpm2-tss's headers,
which its header includes, also where they are in another prefix; and is linked to this library alone.

    pkg-config.py DIRECTORY     where tss2-tcti-tabrmd.pc is
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
ELSEWHERE = "/elsewhere/include"
TSS2_MU = f"""Name: tss2-mu
Description: that of a tpm2-tss in a prefix of its own
Version: 4.0
Cflags: -I{ELSEWHERE}
Libs: -L/elsewhere/lib -ltss2-mu
"""


def told(directory, *options):
    """Words that pkg-config says of the library, with no other packages but those of `directory`."""
    run = subprocess.run(["pkg-config", *options, "tss2-tcti-tabrmd"], capture_output=True, text=True,
                         check=False, env={**os.environ, "PKG_CONFIG_LIBDIR": directory})
    if run.returncode:
        sys.exit(f"pkg-config {' '.join(options)}: {run.stderr.strip()}")
    return run.stdout.split()


def main():
    if not shutil.which("pkg-config"):
        print("pkg-config is missing: install Debian's package pkg-config")
        return 1 if os.environ.get("TABRMD_TEST_WHOLE") else SKIPPED
    ours = pathlib.Path(sys.argv[1], "tss2-tcti-tabrmd.pc")
    with tempfile.TemporaryDirectory(prefix="tabrmd-pkg-config.") as directory:
        shutil.copy(ours, directory)
        pathlib.Path(directory, "tss2-mu.pc").write_text(TSS2_MU, encoding="utf-8")
        flags, libraries = told(directory, "--cflags"), told(directory, "--libs")
    if f"-I{ELSEWHERE}" not in flags:
        print(f"--cflags names no headers of tpm2-tss: {' '.join(flags)}")
        return 1
    linked = [word for word in libraries if word.startswith("-l")]
    if linked != ["-ltss2-tcti-tabrmd"]:
        print(f"--libs names {' '.join(linked)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
