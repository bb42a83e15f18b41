# SPDX-License-Identifier: BSD-2-Clause
"""Manual pages are formatted by groff without a warning, and have the sections of a page."""
import re
import subprocess

import tree

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION")


def check(root):
    groff = tree.program("groff", "groff")
    findings = []
    for path in tree.files(root, *(f".{section}" for section in range(1, 9))):
        command = [groff, "-man", "-t", "-ww", "-z", "-Tutf8", "-Kutf8", path]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True)
        findings += [f"groff: {line}" for line in run.stderr.splitlines() if line.strip()]
        headings = re.findall(r'^\.SH "?([^"\n]+)', tree.read(root, path), re.M)
        is_link = tree.read(root, path).startswith(".so ")
        missing = [name for name in SECTIONS if name not in headings]
        if missing and not is_link:
            findings.append(f"{path}: no section {', '.join(missing)}")
    return findings


GOOD = '.TH X 8\n.SH NAME\nx \\- y\n.SH SYNOPSIS\n.B x\n.SH DESCRIPTION\nText.\n'
SAMPLES = [
    ({"man/x.8": GOOD}, []),
    ({"man/x.8": GOOD + ".NOSUCHMACRO\n"}, ["groff.*NOSUCHMACRO"]),
    ({"man/x.8": GOOD + "\\*[nosuchstring]\n"}, ["groff.*nosuchstring"]),
    ({"man/x.8": GOOD.replace(".SH SYNOPSIS\n", "")}, ["no section SYNOPSIS"]),
]

if __name__ == "__main__":
    tree.main(check, SAMPLES)
