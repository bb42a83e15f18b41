# SPDX-License-Identifier: BSD-2-Clause
"""What it costs that a service manager keeps the clients' connections and the journal for the next
daemon: system calls, and times beside a daemon that nobody keeps anything for.
"""
from contextlib import ExitStack
import re
import shutil
from statistics import median
import time

from report import Row
from rows_counts import NEVER_IDLE
from rows_times import STARTED, calm, in_turn, lifetime, microseconds, milliseconds
from world import Chip, World, environment, poll

# For the client: epoll_wait, recvmmsg, sendmmsg. For the chip: send, epoll_wait with two
# epoll_ctl, and a poll and a recv for the header of the answer and for its rest.
SIGN_CALLS = 3 + 8
SIGNS = 100
ADDED_LIMIT = 1.03
# A connection costs one datagram more, which wakes the service manager. That takes as long by either
# way, and by D-Bus a connection takes four times as long as by the socket.
CONNECT_LIMIT = {"dbus": 1.10, "socket": 1.25}


class NotAllowed(Exception):
    """Nobody may look at the daemon's system calls here."""


class Strace:
    """The system calls of a daemon, all threads of it."""

    def __init__(self, world):
        self.path = world.path("calls")
        self.process = world.run(["strace", "-f", "-o", self.path, "-p", str(world.pid)])
        poll(lambda: self.says("attached") or not self.process.running(), "strace")
        if not self.process.running():
            raise NotAllowed

    def says(self, text):
        with open(self.process.log, encoding="utf-8", errors="replace") as log:
            return text in log.read()

    def count(self):
        """System calls that have begun, once there are no more for a while."""
        before, count = -1, 0
        while before != count:
            time.sleep(0.1)
            before = count
            with open(self.path, encoding="utf-8", errors="replace") as file:
                count = len(re.findall(r"^\d+ +\w+\(", file.read(), re.MULTILINE))
        return count


def calls_of_sign(paths, broker, kept):
    """On average of many, without what a daemon does while it waits."""
    with World(paths, broker, NEVER_IDLE if broker is paths.ours else [], kept=kept) as world:
        client = world.client()
        for job in ("key", "sign 0 password 3"):
            client.ask(job)
        strace = Strace(world)
        client.ask("sign 0 password 1")
        before = strace.count()
        client.ask(f"sign 0 password {SIGNS}")
        return round((strace.count() - before) / SIGNS)


def calls(bench):
    work = "system calls of the daemon for a Sign, one loaded key: not kept / kept"
    try:
        if not shutil.which("strace"):
            raise NotAllowed
        peer = calls_of_sign(bench.paths, bench.paths.peer, False) if bench.paths.peer else None
        ours = [calls_of_sign(bench.paths, bench.paths.ours, kept) for kept in (False, True)]
    except NotAllowed:
        return Row("kept_calls", work, None, "not counted", str(SIGN_CALLS), None,
                   note="it takes root and Debian's package strace")
    return Row("kept_calls", work, peer is not None and str(peer), " / ".join(map(str, ours)),
               f"{SIGN_CALLS} / the same", ours == [SIGN_CALLS] * 2,
               {"peer": peer, "ours": ours, "target": SIGN_CALLS})


def added(bench):
    """What tabrmd adds to a GetRandom with a journal that is kept, and what without one."""
    with ExitStack() as stack:
        direct = stack.enter_context(Chip(bench.paths, STARTED))
        clients = {"direct": direct.client(direct.direct_conf())}
        for kept in (False, True):
            world = stack.enter_context(World(bench.paths, bench.paths.ours, kept=kept))
            clients[kept] = world.client()
        for client in clients.values():
            client.ask("random 50")
        times = calm(in_turn(301, {
            name: lambda client=client: median(client.ask("random 50")) / 1e9
            for name, client in clients.items()}))
    alone, ours = (times[kept] - times["direct"] for kept in (False, True))
    return [Row("kept_added", "time added to a GetRandom, kept by a service manager", None,
                microseconds(ours),
                f"{microseconds(ADDED_LIMIT * alone)}: {ADDED_LIMIT:.2f} × that without",
                ours <= ADDED_LIMIT * alone,
                {"ours": ours, "alone": alone, "target": ADDED_LIMIT * alone, "unit": "s",
                 "direct": times["direct"]},
                note=f"{ours / alone:.3f} × the {microseconds(alone)} of a daemon that nobody "
                     "keeps anything for")]


def connect(bench):
    """A process that connects and goes, over one that just goes."""
    measured = {"empty": lambda: lifetime([bench.paths.connect], environment())[0]}

    def measure(name, world, conf):
        argv, env = [bench.paths.connect, conf], world.client_environment()
        measured[name] = lambda: lifetime(argv, env)[0]

    with ExitStack() as stack:
        for kept in (False, True):
            world = stack.enter_context(
                World(bench.paths, bench.paths.ours, ["--socket=%s/listener"], kept=kept))
            measure(("D-Bus", kept), world, world.conf())
            measure(("Unix socket", kept), world, world.conf(f"socket={world.path('listener')}"))
        times = calm(in_turn(120, measured))
    rows = []
    for name, how in (("dbus", "D-Bus"), ("socket", "Unix socket")):
        alone, ours = (times[(how, kept)] - times["empty"] for kept in (False, True))
        limit = CONNECT_LIMIT[name] * alone
        rows.append(Row(f"kept_connect_{name}",
                        f"connect and finalize by {how}, kept by a service manager", None,
                        milliseconds(ours),
                        f"{milliseconds(limit)}: {CONNECT_LIMIT[name]:.2f} × that without",
                        ours <= limit, {"ours": ours, "alone": alone, "target": limit, "unit": "s"},
                        note=f"{ours / alone:.3f} × the {microseconds(alone)} without"))
    return rows


COUNTS = [("kept_calls", calls)]
ROWS = [("kept_added", added), ("kept_connect", connect)]
