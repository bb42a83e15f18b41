# SPDX-License-Identifier: BSD-2-Clause
"""Runs a test program, which may be a mutant of one: it may never end, or take all memory.

The limits do not depend on how busy the machine is. A program that works on without end meets a
limit of processor time, and one that waits without end a limit of the time that it is asleep; who
has to wait for a processor is not asleep.
"""
import ctypes
import glob
import os
import re
import resource
import signal
import subprocess
import tempfile
import time

MOST_MEMORY = 3 << 30
MOST_SLEEP = 60
LOOK_SECONDS = 1

# The lines of a cmocka program by which a test in it has failed.
FAILURE = re.compile(rb"^(not ok(?! \d+ # SKIP)|\[  FAILED  \])", re.M)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
LIBC = ctypes.CDLL(None, use_errno=True)


class Outcome:
    """`failure` is None, or says in a few words why the program has failed."""

    def __init__(self, failure, cpu, output):
        self.failure, self.cpu, self.output = failure, cpu, output


def adopt_orphans():
    """Processes that a test leaves behind become this process's children."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def protect_devices():
    """A mutant that root runs may change the mode of any file; of devices, which all programs of the
    machine need, it cannot from here on. False where nothing can be mounted."""
    if os.geteuid() != 0:
        return True
    if LIBC.unshare(CLONE_NEWNS) < 0:
        return False
    return all(subprocess.run(["mount", *arguments], check=False).returncode == 0 for arguments in (
        ["--make-rprivate", "/"], ["--rbind", "/dev", "/dev"], ["-o", "remount,bind,ro", "/dev"]))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def end_children():
    """Ends all children, and theirs, which are adopted then."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def fields_of(path):
    """What stands behind the name in a stat file of /proc; nothing when the process is gone."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def look(session):
    """Whether a thread of the session runs or could, and bytes of memory of all of them."""
    awake, memory = False, 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = fields_of(path)
        if fields and int(fields[3]) == session:
            memory += int(fields[21]) * resource.getpagesize()
            threads = glob.glob(os.path.join(os.path.dirname(path), "task", "*", "stat"))
            awake = awake or any(fields_of(thread)[:1] in (["R"], ["D"]) for thread in threads)
    return awake, memory


class Watch:
    """Looks at a session now and then, and says what is wrong with it."""

    def __init__(self, session):
        self.session = session
        self.asleep = 0
        self.looked = time.monotonic()

    def complaint(self):
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return None
        awake, memory = look(self.session)
        if not awake:
            self.asleep += now - self.looked
        self.looked = now
        if memory > MOST_MEMORY:
            return "took all memory"
        return "waits for ever" if self.asleep > MOST_SLEEP else None


def wait(process, output):
    """Waits for the end, or for the first sign of a failure."""
    watch = Watch(process.pid)
    while True:
        try:
            status = process.wait(0.1)
        except subprocess.TimeoutExpired:
            status = None
        if FAILURE.search(os.pread(output.fileno(), 1 << 20, 0)):
            return "a test fails"
        if status is not None:
            return f"status {status}" if status else None
        complaint = watch.complaint()
        if complaint:
            return complaint


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, environment, directory, cpu_limit):
    """The outcome of a program with cpu_limit seconds of processor time for each process."""
    before = cpu_of_children()

    def limit():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_limit, cpu_limit + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, cwd=directory, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True, preexec_fn=limit)
        try:
            failure = wait(process, output)
        finally:
            process.kill()
            process.wait()
            end_children()
        text = os.pread(output.fileno(), 1 << 20, 0).decode(errors="replace")
    return Outcome(failure, cpu_of_children() - before, text)
