# SPDX-License-Identifier: BSD-2-Clause
"""Shell scripts pass shellcheck and can be run when they are meant to be."""
import os
import re
import subprocess

import tree


def check(root):
    shellcheck = tree.program("shellcheck", "shellcheck")
    findings = []
    scripts = tree.shell_scripts(root)
    if scripts:
        command = [shellcheck, "--external-sources", "--format=gcc", *scripts]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True)
        findings += run.stdout.splitlines() + run.stderr.splitlines()
    for path in scripts:
        starts = re.match(r"#!", tree.read(root, path))
        if bool(starts) != os.access(os.path.join(root, path), os.X_OK):
            findings.append(f"{path}: a first line with #! and the right to execute go together")
    return findings


SAMPLES = [
    ({"lib/a.sh": "# shellcheck shell=sh\nx() { echo \"$1\"; }\n"}, []),
    ({"lib/a.sh": "# shellcheck shell=sh\nx() { rm -r $1; }\n"}, ["a.sh.*SC2086"]),
    ({"run": "#!/bin/bash\ntrue\n"}, ["run: a first line"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
