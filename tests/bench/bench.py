# SPDX-License-Identifier: BSD-2-Clause
"""Measures tabrmd beside the packaged tpm2-abrmd, on the same work and the same kind of TPM, and
says which targets are met.

    meson compile -C BUILD bench
    python3 tests/bench/bench.py --build BUILD [--quick] [--only NAME]...

Prints three tables, and writes bench.json and bench.svg into the build directory. --only takes names
of rows, with wildcards; then nothing is written. --quick measures tabrmd alone and only counts,
writes nothing, and is a test: its output is TAP and its exit status says whether every target was
met.

The packaged daemon comes from TABRMD_TEST_PEER_DAEMON and TABRMD_TEST_PEER_LIBDIR (the directory
of its client library), else it is fetched with apt and unpacked, not installed.
"""
import argparse
import fnmatch
import os
import platform
import shutil
import signal
import subprocess
import sys

import chart
import report
import rows_counts
import rows_kept
import rows_reserve
import rows_times
from world import Failure, Paths, environment

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLES = [
    ("TPM commands for one command of a client, ECC P-256 keys, 3 slots",
     rows_counts.ROWS + rows_times.WALL),
    ("The same with a reserve: none / 1,1 / 2,1 / 2,2 slots for objects and sessions stay free",
     rows_reserve.ROWS + rows_reserve.AT_ONCE),
    ("Times and sizes, from one run", rows_kept.COUNTS + rows_times.ROWS + rows_kept.ROWS),
]
FETCH = """
. scripts/lib/packages.sh
fetch_peers "$1" >&2 && echo "$TABRMD_TEST_PEER_DAEMON" && echo "$TABRMD_TEST_PEER_LIBDIR"
"""


class Bench:
    def __init__(self, paths, quick):
        self.paths = paths
        self.quick = quick


def find_peer():
    """Paths of the packaged daemon and of its library's directory, or a pair of None."""
    found = [os.environ.get(f"TABRMD_TEST_PEER_{name}") for name in ("DAEMON", "LIBDIR")]
    if not all(found):
        run = subprocess.run(["sh", "-c", FETCH, "sh", os.path.join("build", "peers")], cwd=SOURCE,
                             stdout=subprocess.PIPE, text=True, check=False)
        found = run.stdout.split("\n")[:2] if run.returncode == 0 else [None, None]
    if not found[0] or not os.access(found[0], os.X_OK):
        print("bench: no packaged tpm2-abrmd to compare with; measuring tabrmd alone",
              file=sys.stderr)
        return None, None
    return found


def wanted(name, patterns):
    """Whether a group of rows is asked for, by its name or by that of one of its rows."""
    return not patterns or any(fnmatch.fnmatch(name, pattern) or pattern.startswith(f"{name}_")
                               for pattern in patterns)


def machine(paths):
    def version(*argv):
        try:
            run = subprocess.run(argv, capture_output=True, text=True, env=environment(),
                                 timeout=10, check=False)
            return run.stdout.strip().split("\n")[0]
        except OSError:
            return None

    return {"kernel": platform.release(), "architecture": platform.machine(),
            "processors": os.cpu_count(), "load": os.getloadavg()[0],
            "swtpm": version("swtpm", "--version"),
            "tpm2-tss": version("pkg-config", "--modversion", "tss2-esys"),
            "tpm2-tools": version("tpm2_getrandom", "--version"),
            "tabrmd": version(paths.ours.daemon, "--version"),
            "tpm2-abrmd": paths.peer
            and version(paths.peer.daemon, "--version").replace(" version", "")}


def full(bench, build, patterns):
    tables, failed = [], False
    about = machine(bench.paths)
    for title, groups in TABLES:
        rows = []
        for name, measure in groups:
            if not wanted(name, patterns):
                continue
            print(f"measuring {name}", file=sys.stderr)
            try:
                result = measure(bench)
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                print(f"bench: {name}: {failure}", file=sys.stderr)
                failed = True
                continue
            rows += result if isinstance(result, list) else [result]
        if rows:
            print(report.table(title, rows), flush=True)
            tables.append((title, rows))
    everything = [row for _, rows in tables for row in rows]
    if not everything:
        sys.exit("bench: nothing was measured")
    print("\n" + report.summary(everything))
    if about["load"] > about["processors"] / 2:
        print(f"The machine was busy when this began (load {about['load']:.1f} on "
              f"{about['processors']} processors): short times and their ratios may be off.")
    if not patterns:
        report.write_json(os.path.join(build, "bench.json"), about, tables)
        drawing = chart.draw(everything, about["tpm2-abrmd"])
        if drawing:
            with open(os.path.join(build, "bench.svg"), "w", encoding="utf-8") as file:
                file.write(drawing)
    return 1 if failed else 0


def quick(bench, patterns):
    for program, package in ("swtpm", "swtpm"), ("dbus-daemon", "dbus-daemon"), ("tpm2", "tpm2-tools"):
        if not shutil.which(program) and not os.environ.get("TABRMD_TEST_WHOLE"):
            print(f"1..0 # SKIP {program} is missing: install Debian's package {package}")
            return 0
    groups = [group for group in rows_counts.ROWS + rows_reserve.ROWS + rows_kept.COUNTS
              if wanted(group[0], patterns)]
    print(f"1..{len(groups)}")
    good = True
    for name, measure in groups:
        try:
            row = measure(bench)
            good = good and row.met is not False
            print(report.tap(row), flush=True)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            good = False
            print(f"not ok - {name}\n# {failure}", flush=True)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="build directory of tabrmd")
    parser.add_argument("--quick", action="store_true", help="only counts, of tabrmd alone")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this row")
    options = parser.parse_args()

    # SIGTERM ends the worlds as an error would.
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    build = os.path.abspath(options.build)
    peer = (None, None) if options.quick else find_peer()
    bench = Bench(Paths(build, *peer), options.quick)
    if options.quick:
        return quick(bench, options.only)
    return full(bench, build, options.only)


if __name__ == "__main__":
    sys.exit(main())
