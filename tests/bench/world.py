# SPDX-License-Identifier: BSD-2-Clause
"""What a measurement runs in: a fresh swtpm behind Unix sockets, a private bus, a daemon on it with
the counting TCTI below, and clients. Everything lives in one temporary directory and ends with its
world; every wait has a bound.
"""
import ctypes
import mmap
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

START_SECONDS = 30
END_SECONDS = 15
ANSWER_SECONDS = 120
CONTEXT_COMMANDS = (0x161, 0x162, 0x165)  # ContextLoad, ContextSave, FlushContext
# What decides about a TPM or a bus must come from the bench alone.
FOREIGN = ("TPM2TOOLS_TCTI", "TCTI", "TSS2_LOG", "DBUS_SYSTEM_BUS_ADDRESS", "NOTIFY_SOCKET",
           "DBUS_SESSION_BUS_ADDRESS", "LD_LIBRARY_PATH", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")
SETTLE_SECONDS = 0.02


class Failure(Exception):
    """A measurement could not be made."""


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def environment(**more):
    return {**{k: v for k, v in os.environ.items() if k not in FOREIGN}, **more}


def poll(check, what, seconds=START_SECONDS):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def answers(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def chosen(name, otherwise):
    return os.environ.get(f"TABRMD_TEST_{name}") or otherwise


class Paths:
    """What was built, or what the environment names instead as it does for the integration tests;
    and the packaged daemon to compare it with."""

    def __init__(self, build, peer_daemon, peer_libdir):
        bench = os.path.join(build, "tests", "bench")
        support = os.path.join(build, "tests", "support")
        self.client = os.path.join(bench, "bench-client")
        self.connect = os.path.join(bench, "bench-connect")
        self.keeper = os.path.join(bench, "bench-keeper")
        self.load = os.path.join(bench, "bench-load")
        self.relay = os.path.join(bench, "bench-relay")
        self.counting = chosen("COUNTING", os.path.join(support, "libtss2-tcti-counting.so.0"))
        self.tabrmctl = os.path.join(build, "tabrmctl", "tabrmctl")
        self.recipes = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recipes.sh")
        self.ours = Broker("tabrmd", chosen("DAEMON", os.path.join(build, "daemon", "tabrmd")),
                           chosen("TOOLS_LIBDIR", os.path.join(support, "plain")))
        self.peer = peer_daemon and Broker("tpm2-abrmd", peer_daemon, peer_libdir)


class Broker:
    """A daemon and the client library that belongs to it."""

    def __init__(self, name, daemon, libdir):
        self.name = name
        self.daemon = daemon
        self.libdir = libdir
        self.library = os.path.join(libdir, "libtss2-tcti-tabrmd.so.0")

    def options(self):
        run = subprocess.run([self.daemon, "--help"], capture_output=True, text=True,
                             env=environment(), timeout=START_SECONDS)
        return run.stdout

    def no_files(self):
        """What keeps configuration files of this machine out of a measurement."""
        return ["--config=/dev/null"] if "--config=" in self.options() else []


class Counts:
    """How many commands the chip was given so far: a copy of the counting TCTI's table."""

    def __init__(self, table):
        self.total, = struct.unpack_from("=Q", table, 8)
        self.context = sum(struct.unpack_from("=Q", table, 24 + 8 * code)[0]
                           for code in CONTEXT_COMMANDS)

    def since(self, before):
        return self.total - before.total, self.context - before.context


class Process:
    """A child whose output goes to a file, or that talks over pipes, a line at a time."""

    def __init__(self, argv, log, env=None, talks=False):
        self.name = os.path.basename(argv[0])
        with open(log, "ab") as out:
            pipe = subprocess.PIPE if talks else None
            self.child = subprocess.Popen(
                argv, stdin=pipe or subprocess.DEVNULL, stdout=pipe or out, stderr=out,
                env=env or environment(), preexec_fn=end_with_parent, text=talks)
        self.log = log

    def running(self):
        return self.child.poll() is None

    def tell(self, job):
        self.child.stdin.write(job + "\n")
        self.child.stdin.flush()

    def hear(self, job="start"):
        """The numbers of an answer."""
        # A line that has begun comes whole, and nothing is read ahead of it.
        if not select.select([self.child.stdout], [], [], ANSWER_SECONDS)[0]:
            raise Failure(f"{self.name}: {job[:40]}: no answer within {ANSWER_SECONDS} s")
        line = self.child.stdout.readline().split()
        if not line or line[0] != "ok" or "error" in line:
            raise Failure(f"{self.name}: {job[:40]}: {' '.join(line[-2:]) or 'no answer'}")
        return [int(word) for word in line[1:]]

    def ask(self, job):
        self.tell(job)
        return self.hear(job)

    def end(self):
        if self.child.stdin:
            self.child.stdin.close()
            self.child.stdout.close()
        else:
            self.child.terminate()
        try:
            self.child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Chip:
    """A fresh swtpm, and whatever is put before it."""

    def __init__(self, paths, flags="not-need-init"):
        self.paths = paths
        self.directory = tempfile.mkdtemp(prefix="tabrmd-bench.")
        self.processes = []
        try:
            self.start(flags)
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def run(self, argv, **options):
        process = Process(argv, self.path(os.path.basename(argv[0]) + ".log"), **options)
        self.processes.append(process)
        return process

    def start(self, flags):
        os.mkdir(self.path("state"))
        swtpm = self.run(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.path('state')}",
                          "--server", f"type=unixio,path={self.path('server')}",
                          "--ctrl", f"type=unixio,path={self.path('ctrl')}", "--flags", flags])
        poll(lambda: not swtpm.running() or answers(self.path("ctrl")), "swtpm")
        if not swtpm.running():
            raise Failure("swtpm does not start; is the package swtpm installed?")

    def client(self, conf):
        process = self.run([self.paths.client, conf], talks=True, env=self.client_environment())
        process.hear()
        return process

    def client_environment(self):
        return environment()

    def direct_conf(self, server="server", profile=None):
        conf = f"{self.paths.counting}:server={self.path(server)},counts={self.path('counts')}"
        return conf + (f",profile={profile}" if profile else "")

    def relay_conf(self):
        self.run([self.paths.relay, self.path("relay"), self.path("server")])
        poll(lambda: os.path.exists(self.path("relay")), "bench-relay")
        return self.direct_conf("relay")

    def leave(self, process):
        """Ends one process before the others."""
        self.processes.remove(process)
        process.end()

    def close(self):
        while self.processes:
            self.processes.pop().end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class World(Chip):
    """A broker on its own chip and its own bus. In its arguments %s is the world's directory. With
    `kept` a service manager keeps its descriptors."""

    def __init__(self, paths, broker, args=(), profile=None, kept=False):
        self.broker = broker
        self.args = args
        self.profile = profile
        self.kept = kept
        super().__init__(paths)

    def start(self, flags):
        super().start(flags)
        self.start_bus()
        self.start_daemon()

    def start_bus(self):
        self.address = f"unix:path={self.path('bus')}"
        with open(self.path("bus.conf"), "w", encoding="utf-8") as conf:
            conf.write(
                "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'"
                " 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>"
                f"<busconfig><type>session</type><listen>{self.address}</listen>"
                "<auth>EXTERNAL</auth><policy context='default'><allow send_destination='*'/>"
                "<allow receive_sender='*'/><allow own='*'/></policy></busconfig>\n")
        self.run(["dbus-daemon", f"--config-file={self.path('bus.conf')}", "--nofork",
                  "--nopidfile"])
        poll(lambda: answers(self.path("bus")), "dbus-daemon")

    def start_daemon(self):
        tcti = f"{self.direct_conf(profile=self.profile)},ctrl={self.path('ctrl')}"
        argv = [self.broker.daemon, *self.broker.no_files(), "--session", "--allow-root",
                f"--tcti={tcti}", *(arg.replace("%s", self.directory) for arg in self.args)]
        log = self.path("daemon.log")
        if self.kept:
            argv = [self.paths.keeper, self.directory, log, *argv]
        self.daemon = self.run(argv, env={**self.client_environment(),
                                          "RUNTIME_DIRECTORY": self.directory}, talks=self.kept)
        self.pid = self.daemon.hear()[0] if self.kept else self.daemon.child.pid
        poll(lambda: not self.daemon.running() or self.connects(), self.broker.name)
        if not self.daemon.running():
            with open(self.daemon.log, encoding="utf-8", errors="replace") as log:
                raise Failure(f"{self.broker.name} does not start: {log.read().strip()[-400:]}")

    def connects(self):
        return subprocess.run([self.paths.connect, self.conf()], env=self.client_environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=START_SECONDS).returncode == 0

    def conf(self, how="bus_type=session"):
        return f"{self.broker.library}:{how}"

    def client_environment(self):
        return environment(DBUS_SESSION_BUS_ADDRESS=self.address)

    def client(self, conf=None):
        return super().client(conf or self.conf())

    def trace(self):
        """Has each command traced, from the next one on that a client sends."""
        trace = self.run([self.paths.tabrmctl, "trace",
                          f"--tcti=tabrmd:socket={self.path('tcti.sock')}"])
        client = self.client()

        def begun():
            client.ask("random 1")
            return os.path.getsize(trace.log) > 0 or not trace.running()
        poll(begun, "tabrmctl")
        if not trace.running():
            raise Failure(f"tabrmctl does not trace: see {trace.log}")
        self.leave(client)

    def load(self):
        process = self.run([self.paths.load], talks=True, env=self.client_environment())
        process.hear()
        return process

    def counts(self):
        with open(self.path("counts"), "rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as table:
                return Counts(table)

    def settled_counts(self):
        """Counts once the daemon is done: tpm2-abrmd goes on with the chip after its answer."""
        end = time.monotonic() + START_SECONDS
        counts = self.counts()
        while time.monotonic() < end:
            time.sleep(SETTLE_SECONDS)
            before, counts = counts, self.counts()
            if counts.total == before.total:
                return counts
        raise Failure(f"{self.broker.name} does not leave the chip alone")

    def recipes(self):
        """Runs the recipes with tpm2-tools; chip commands in all, and context commands of them."""
        os.mkdir(self.path("work"))
        before = self.settled_counts()
        env = environment(DBUS_SESSION_BUS_ADDRESS=self.address, LD_LIBRARY_PATH=self.broker.libdir,
                          TPM2TOOLS_TCTI="tabrmd:bus_type=session")
        run = subprocess.run(["sh", self.paths.recipes], cwd=self.path("work"), env=env,
                             capture_output=True, text=True, timeout=ANSWER_SECONDS)
        if run.returncode != 0:
            raise Failure(f"recipes with {self.broker.name}: {run.stderr.strip()[-400:]}")
        return self.settled_counts().since(before)

    def daemon_seconds(self):
        """Processor time of the daemon so far."""
        tasks = f"/proc/{self.pid}/task"
        total = 0
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="utf-8") as schedstat:
                total += int(schedstat.read().split()[0])
        return total / 1e9

    def daemon_status(self):
        """Threads of the daemon and its resident memory in KiB."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["Threads"]), int(fields["VmRSS"].split()[0])
