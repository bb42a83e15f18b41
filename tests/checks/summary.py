# SPDX-License-Identifier: BSD-2-Clause
"""The count at the end of scripts/test is right: it is tried on logs whose content is known."""
import json
import os
import subprocess
import sys
import tempfile

OK = {"name": "tabrmd:unit / a", "result": "OK",
      "stdout": "[ RUN      ] test_R01_x\nchatter\n[       OK ] test_R01_x\n"}
SKIP = {"name": "tabrmd:unit / s", "result": "OK",
        "stdout": "[ RUN      ] test_R02_x\n[  SKIPPED ] test_R02_x\n"}
CRASH = {"name": "tabrmd:unit / c", "result": "FAIL",
         "stdout": "[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\n"}
LEAK = {"name": "tabrmd:unit / l", "result": "FAIL", "stdout": "[ RUN      ] b\n[       OK ] b\n"}
TAP = {"name": "tabrmd:unit / t", "result": "FAIL",
       "stdout": "1..3\nok 1 - test_R03_x\nnot ok 2 - b\n# why\nnot ok 3 # SKIP c\n# not ok - t\n"}
PLAIN = {"name": "tabrmd:checks / p", "result": "OK", "stdout": "words\n"}
LEFT_OUT = {"name": "tabrmd:checks / l", "result": "SKIP", "stdout": "words\nno such program\n"}
# As newer versions of meson name it.
NAMED_ANEW = {**LEFT_OUT, "name": "checks - tabrmd:l"}
TIMEOUT = {"name": "tabrmd:checks / q", "result": "TIMEOUT"}

# Tests of the log, required numbers, more arguments, the last lines, and the exit status.
CASES = [
    ([OK, PLAIN], ["R01"], [], "2 passed, 0 failed", 0),
    ([OK, SKIP], ["R01"], [], "1 passed, 0 failed, 1 skipped", 0),
    ([OK, SKIP], ["R01", "R02"], [], "1 passed, 0 failed, 1 skipped", 1),
    ([OK], ["R01"], ["--status", "1"], "1 passed, 0 failed", 1),
    ([OK], ["R04"], [], "1 passed, 0 failed", 1),
    ([CRASH, PLAIN], [], [], "2 passed, 1 failed", 1),
    ([LEAK], [], [], "1 passed, 1 failed", 1),
    ([TAP], ["R03"], [], "1 passed, 1 failed, 1 skipped", 1),
    ([PLAIN, TIMEOUT], [], [], "1 passed, 1 failed", 1),
    ([PLAIN, LEFT_OUT], [], [],
     "skipped: l: no such program\n1 passed, 0 failed, 1 skipped", 0),
    ([PLAIN, NAMED_ANEW], [], [],
     "skipped: l: no such program\n1 passed, 0 failed, 1 skipped", 0),
    ([], [], [], "0 passed, 0 failed", 1),
]


def summary(program, directory, tests, required, more):
    paths = [os.path.join(directory, name) for name in ("log", "required", "table")]
    with open(paths[0], "w", encoding="utf-8") as log:
        log.writelines(json.dumps(test) + "\n" for test in tests)
    with open(paths[1], "w", encoding="utf-8") as numbers:
        numbers.write("# numbers\n" + "".join(f"{number}\n" for number in required))
    return subprocess.run(
        [sys.executable, "-B", program, "--whole", "--required", paths[1], "--table", paths[2],
         *more, paths[0]], capture_output=True, text=True)


def main(program):
    wrong = 0
    for number, (tests, required, more, lines, status) in enumerate(CASES):
        with tempfile.TemporaryDirectory() as directory:
            run = summary(program, directory, tests, required, more)
        last = lines.splitlines()
        if run.stdout.splitlines()[-len(last):] != last or run.returncode != status:
            print(f"case {number}: expected {lines}, {status}; got {run.stdout}{run.stderr}"
                  f"{run.returncode}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
