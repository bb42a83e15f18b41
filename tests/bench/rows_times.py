# SPDX-License-Identifier: BSD-2-Clause
"""Rows whose figures are times and sizes. What is compared runs in turn, in many short rounds. A
round gives the median of what it measured. Whatever else runs on the machine makes a round slower,
never faster, so that the quarter of the rounds which was disturbed least tells: see calm().
"""
from contextlib import ExitStack
import math
import os
import random
import resource
from statistics import median
import subprocess
import threading
import time

from report import Row
from world import START_SECONDS, Chip, Failure, World, environment

DISCRETE = "discrete"
HEAVY_SECONDS = 45
HEAVY_LEAD_SECONDS = 2
ANEW_PAUSE_SECONDS = 0.8
# GLib ends the unused threads of its pools after 15 s.
IDLE_SECONDS = 20
STARTED = "not-need-init,startup-clear"


def brokers(bench):
    return [broker for broker in (bench.paths.peer, bench.paths.ours) if broker]


def in_turn(rounds, measured):
    """Runs every function of the mapping once a round, each round from another one on; a list of
    results by the mapping's keys."""
    results = {name: [] for name in measured}
    names = list(measured)
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            results[name].append(measured[name]())
    return results


def milliseconds(seconds):
    return f"{seconds * 1e3:.1f} ms"


def microseconds(seconds):
    return f"{seconds * 1e6:.0f} µs"


def percentile(samples, share):
    return sorted(samples)[max(0, math.ceil(len(samples) * share) - 1)]


def calm(rounds):
    """What the calm rounds say, by the mapping's keys: the lower quartile of each one's times."""
    return {name: percentile(times, 0.25) for name, times in rounds.items()}


def wall(bench):
    """Signing on a slow chip, by each broker and by the chip alone."""
    jobs = {"password": "sign 0 password 5", "hmac": "sign 0 0 5"}
    with ExitStack() as stack:
        chip = stack.enter_context(Chip(bench.paths, STARTED))
        clients = {"direct": chip.client(chip.direct_conf(profile=DISCRETE))}
        for broker in brokers(bench):
            world = stack.enter_context(World(bench.paths, broker, profile=DISCRETE))
            clients[broker.name] = world.client()
        for client in clients.values():
            for job in ("key", "session hmac", *jobs.values()):
                client.ask(job)
        results = calm(in_turn(9, {
            (name, kind): lambda client=client, job=job: median(client.ask(job)) / 1e9
            for name, client in clients.items() for kind, job in jobs.items()}))
    rows = []
    for kind, work, target in (("password", "password sign", 0.091), ("hmac", "HMAC sign", 0.092)):
        peer, ours, direct = (results.get((name, kind))
                              for name in ("tpm2-abrmd", "tabrmd", "direct"))
        work = f"{work} on a discrete chip, wall time"
        rows.append(Row(f"wall_{kind}", work, peer and milliseconds(peer), milliseconds(ours),
                        milliseconds(target), round(ours, 3) <= target,
                        {"peer": peer, "ours": ours, "direct": direct, "target": target,
                         "unit": "s"},
                        note=f"the chip and the client alone take {milliseconds(direct)}",
                        chart=("share", work, peer, ours, milliseconds)))
    return rows


# How long clients that never pause sign side by side.
TOGETHER_MS = 3000


PACED_SIGNS = 10


def paced(bench):
    """A signature once a second on a slow chip: what is left in the chip meanwhile shows."""
    def run(broker):
        with World(bench.paths, broker, profile=DISCRETE) as world:
            client = world.client()
            for job in ("key", "sign 0 password 3"):
                client.ask(job)
            time.sleep(1)
            taken, start = [], world.counts()
            for _ in range(PACED_SIGNS):
                time.sleep(1)
                taken += client.ask("sign 0 password 1")
            time.sleep(1)
            return median(taken) / 1e9, world.counts().since(start)[0] / PACED_SIGNS

    peer = run(bench.paths.peer) if bench.paths.peer else None
    ours = run(bench.paths.ours)
    say = "{0[0]:.3f} s, {0[1]:.2f} commands".format
    return [Row("paced", "password sign once a second, discrete chip", peer and say(peer),
                say(ours), say((0.091, 1)), round(ours[0], 3) <= 0.091 and ours[1] == 1,
                {"peer": peer, "ours": ours, "target": (0.091, 1), "unit": "s"})]


def together(bench):
    """Clients that never pause, more of them than slots, each with a key of its own. How often a
    key is moved depends on who has a command waiting when, so it is no exact count."""
    def run(broker):
        with World(bench.paths, broker) as world:
            clients = [world.client() for _ in range(8)]
            for client in clients:
                client.ask("key")
                client.ask("sign 0 password 1")
            start = world.settled_counts()
            for client in clients:
                client.tell(f"sign 0 password {TOGETHER_MS}ms")
            signs = sum(len(client.hear()) for client in clients)
            return world.settled_counts().since(start)[0] / signs

    peer = run(bench.paths.peer) if bench.paths.peer else None
    ours = run(bench.paths.ours)
    work = "Sign, 8 clients at once with a key each, 3 slots"
    return Row("together", work, peer is not None and f"{peer:.2f}", f"{ours:.2f}",
               "under 3 (in strict turns)", ours < 3, {"peer": peer, "ours": ours, "target": 3},
               chart=("commands", work, peer, ours, "{:.2f}".format))


def added(bench):
    """GetRandom over swtpm alone, over a relay, and over each broker, a swtpm for each."""
    with ExitStack() as stack:
        direct, relayed = (stack.enter_context(Chip(bench.paths, STARTED)) for _ in range(2))
        clients = {"direct": direct.client(direct.direct_conf()),
                   "relay": relayed.client(relayed.relay_conf())}
        for broker in brokers(bench):
            clients[broker.name] = stack.enter_context(World(bench.paths, broker)).client()
        for client in clients.values():
            client.ask("random 50")
        times = calm(in_turn(151, {
            name: lambda client=client: median(client.ask("random 50")) / 1e9
            for name, client in clients.items()}))
    over = {name: time - times["direct"] for name, time in times.items()}
    peer, ours, relay = over.get("tpm2-abrmd"), over["tabrmd"], over["relay"]
    limit = min(1.3 * relay, peer / 4 if peer else math.inf)
    work = "time added to a GetRandom over direct swtpm"
    note = f"{ours / relay:.2f} × a bare relay's {microseconds(relay)}"
    if peer:
        note += f", {ours / peer:.2f} × tpm2-abrmd's"
    note += f"; direct: {microseconds(times['direct'])}"
    return [Row("added", work, peer and microseconds(peer), microseconds(ours),
                f"{microseconds(limit)}: a quarter, and 1.3 × a relay", ours <= limit,
                {"peer": peer, "ours": ours, "relay": relay, "target": limit, "unit": "s",
                 "direct": times["direct"]}, note=note,
                chart=("share", work, peer, ours, microseconds))]


TRACED_LIMIT = 1.10


def traced(bench):
    """What tabrmd adds to a GetRandom while somebody reads a trace, and what while nobody does."""
    if not os.path.exists(bench.paths.tabrmctl):
        return []
    with ExitStack() as stack:
        direct = stack.enter_context(Chip(bench.paths, STARTED))
        clients = {"direct": direct.client(direct.direct_conf())}
        for name in ("alone", "traced"):
            world = stack.enter_context(World(bench.paths, bench.paths.ours))
            if name == "traced":
                world.trace()
            clients[name] = world.client()
        for client in clients.values():
            client.ask("random 50")
        times = calm(in_turn(151, {
            name: lambda client=client: median(client.ask("random 50")) / 1e9
            for name, client in clients.items()}))
    alone, ours = times["alone"] - times["direct"], times["traced"] - times["direct"]
    return [Row("traced", "the same while tabrmctl traces all commands", None, microseconds(ours),
                f"{microseconds(TRACED_LIMIT * alone)}: {TRACED_LIMIT:.2f} × that without a trace",
                ours <= TRACED_LIMIT * alone,
                {"ours": ours, "alone": alone, "target": TRACED_LIMIT * alone, "unit": "s",
                 "direct": times["direct"]},
                note=f"{ours / alone:.2f} × the {microseconds(alone)} without a trace")]


def lifetime(argv, env):
    """How long a process lived, and the processor time that it took. Waits for it in the kernel: a
    wait of Python's with a timeout sleeps 1, 2, 4 ms and so on between looks, and would give those
    steps instead of times."""
    start = time.perf_counter()
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL)
    guard = threading.Timer(START_SECONDS, child.kill)
    guard.start()
    _, status, usage = os.wait4(child.pid, 0)
    end = time.perf_counter()
    guard.cancel()
    guard.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failure(f"{' '.join(argv)}: status {child.returncode}")
    return end - start, usage.ru_utime + usage.ru_stime


def connect(bench):
    """A process that connects and goes, over one that just goes."""
    listens = "--socket=" in bench.paths.ours.options()
    measured = {"empty": lambda: lifetime([bench.paths.connect], environment())}

    def measure(name, world, conf):
        argv, env = [bench.paths.connect, conf], world.client_environment()
        measured[name] = lambda: lifetime(argv, env)

    with ExitStack() as stack:
        for broker in brokers(bench):
            socket = broker is bench.paths.ours and listens
            world = stack.enter_context(
                World(bench.paths, broker, ["--socket=%s/listener"] if socket else []))
            measure(broker.name, world, world.conf())
            path = world.path("listener")
            if socket and os.path.exists(path):
                measure("socket", world, world.conf(f"socket={path}"))
        rounds = in_turn(80, measured)
    over, busy = ({name: time - times["empty"] for name, time in times.items()} for times in (
        calm({name: [run[what] for run in runs] for name, runs in rounds.items()})
        for what in (0, 1)))
    peer, ours = over.get("tpm2-abrmd"), over["tabrmd"]
    work = "connect and finalize by D-Bus, whole process"
    rows = [Row("connect_dbus", work, peer and milliseconds(peer), milliseconds(ours),
                f"{milliseconds(peer / 2)}: half" if peer else "half of tpm2-abrmd's",
                ours <= peer / 2 if peer else None,
                {"peer": peer, "ours": ours, "unit": "s"},
                chart=("share", work, peer, ours, milliseconds))]
    if "socket" in over:
        rows.append(Row("connect_socket", "connect and finalize by Unix socket, whole process",
                        "has none", milliseconds(over["socket"]), "1 ms", over["socket"] <= 1e-3,
                        {"ours": over["socket"], "target": 1e-3, "unit": "s",
                         "processor": busy["socket"]},
                        note=f"processor time of it: {microseconds(busy['socket'])}"))
    return rows


def asked_again(world, light, seconds):
    """A connected client asks for random bytes again and again; from its first command on."""
    return [sample / 1e9 for sample in light.ask(f"random {int(seconds * 1000)}ms")]


def asked_anew(world, light, seconds):
    """A new process for each command: connects, asks, and leaves. They come at odd moments: one that
    came with the end of the one before would always meet the start of a signature."""
    argv, env = [world.paths.connect, world.conf(), "random"], world.client_environment()
    moments = random.Random(1)
    end, samples = time.monotonic() + seconds, []
    while time.monotonic() < end:
        time.sleep(moments.uniform(0, ANEW_PAUSE_SECONDS))
        samples.append(lifetime(argv, env)[0])
    return samples


def behind_heavy(world, ask):
    """How long a light client's commands take while others sign without pause, and how many
    signatures those get."""
    heavy, light_client = [world.client() for _ in range(8)], world.client()
    for client in heavy:
        client.ask("key")
    for client in heavy:
        client.tell(f"sign 0 password {HEAVY_SECONDS}000ms")
    # Until each of them waits for its turn.
    time.sleep(HEAVY_LEAD_SECONDS)
    samples = ask(world, light_client, HEAVY_SECONDS - 3 - HEAVY_LEAD_SECONDS)
    signed = sum(len(client.hear()) for client in heavy)
    return samples, signed


def at_once(bench, ask):
    """behind_heavy() for both brokers at the same time: their chips are timers, and the machine is
    all but idle."""
    results, failures = {}, []

    def run(name, world):
        try:
            results[name] = behind_heavy(world, ask)
        except (Failure, OSError) as failure:
            failures.append(failure)

    with ExitStack() as stack:
        threads = []
        for broker in brokers(bench):
            world = stack.enter_context(World(bench.paths, broker, profile=DISCRETE))
            threads.append(threading.Thread(target=run, args=(broker.name, world)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return results


def light(bench):
    rows = []
    for name, ask, work, targets in (
            ("light", asked_again, "light client", (None, 0.150)),
            ("light_anew", asked_anew, "a new process for each command", (0.100, 0.150))):
        results = at_once(bench, ask)
        p50 = {who: median(samples) for who, (samples, _) in results.items()}
        p99 = {who: percentile(samples, 0.99) for who, (samples, _) in results.items()}
        work += ", p50 / p99 behind 8 clients that sign, discrete chip"
        met = p99["tabrmd"] <= targets[1] and (not targets[0] or p50["tabrmd"] <= targets[0])
        note = ", ".join(f"{who}: {len(samples)} samples, the first one "
                         f"{milliseconds(samples[0])}, {signed} signatures beside"
                         for who, (samples, signed) in results.items())

        def say(who):
            return who in p99 and f"{milliseconds(p50[who])} / {milliseconds(p99[who])}"

        rows.append(Row(name, work, say("tpm2-abrmd"), say("tabrmd"),
                        " / ".join(milliseconds(target) for target in targets if target), met,
                        {"peer": p99.get("tpm2-abrmd"), "ours": p99["tabrmd"],
                         "peer_median": p50.get("tpm2-abrmd"), "ours_median": p50["tabrmd"],
                         "target": targets[1], "unit": "s"},
                        note=note, chart=("share", work, p99.get("tpm2-abrmd"), p99["tabrmd"],
                                          milliseconds)))
    return rows


def pace(world, load, job):
    """Seconds from answer to answer, and seconds of the daemon's processor time for each."""
    before = world.daemon_seconds()
    answers, microseconds_taken = load.ask(job)
    return microseconds_taken / 1e6 / answers, (world.daemon_seconds() - before) / answers


def peer_refuses(bench):
    """How many connections the packaged daemon gives at most."""
    for most in (1000, 100):
        try:
            with World(bench.paths, bench.paths.peer, [f"--max-connections={most}"]) as world:
                return world.load().ask("connect 1000")[0]
        except Failure:
            pass
    raise Failure("tpm2-abrmd does not start with --max-connections=100")


def crowd(bench):
    rounds = {"alone": [], "others silent": [], "all at once": []}
    with World(bench.paths, bench.paths.ours) as world:
        load = world.load()
        for _ in range(8):
            load.ask("drop 1")
            load.ask("connect 1")
            rounds["alone"] += [pace(world, load, "one 40") for _ in range(5)]
            count = load.ask("connect 1000")[0]
            if count != 1000 or load.ask("each")[0] != 1000:
                raise Failure(f"tabrmd gave {count} of 1,000 connections")
            rounds["others silent"] += [pace(world, load, "one 40") for _ in range(5)]
            rounds["all at once"] += [pace(world, load, "all 40") for _ in range(5)]
    times, spent = (calm({name: [pair[which] for pair in pairs] for name, pairs in rounds.items()})
                    for which in (0, 1))
    share = {name: times["alone"] / time for name, time in times.items()}
    refuses = peer_refuses(bench) if bench.paths.peer else None
    ours = [share["others silent"], share["all at once"]]
    return [Row("crowd", "1,000 connected clients against 1: throughput (1 / all of them busy)",
                refuses and (f"refuses above {refuses}" if refuses < 1000 else "serves them"),
                " / ".join(f"{value * 100:.0f} %" for value in ours), "95 %", min(ours) >= 0.95,
                {"peer_connections": refuses, "ours": ours, "target": 0.95,
                 "answers_per_second": {name: 1 / time for name, time in times.items()},
                 "daemon_seconds_per_answer": spent},
                note=f"{1 / times['alone']:,.0f} answers a second with one client; processor time "
                     "of the daemon for each: "
                     + ", ".join(f"{name} {microseconds(time)}" for name, time in spent.items()))]


def connection_memory(world, wanted):
    """KiB of the daemon for each of up to `wanted` idle connections that were served, and how many
    there were."""
    load = world.load()
    if load.ask("connect 1")[0] != 1 or load.ask("each")[0] != 1:
        raise Failure(f"{world.broker.name} serves no connection")
    before = world.daemon_status()[1]
    count = load.ask(f"connect {wanted + 1}")[0]
    served = load.ask("each")[0]
    if served != count or count < 2:
        raise Failure(f"{world.broker.name} served {served} of {count} connections")
    return (world.daemon_status()[1] - before) / (count - 1), count - 1


def memory(bench):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = min(10000, hard - 100) if hard != resource.RLIM_INFINITY else 10000
    with World(bench.paths, bench.paths.ours, ["--max-connections=16384"]) as world:
        ours, count = connection_memory(world, wanted)
    peer = None
    if bench.paths.peer:
        with World(bench.paths, bench.paths.peer, ["--max-connections=100"]) as world:
            peer, peer_count = connection_memory(world, 98)
    note = None
    if wanted < 10000:
        note = f"the limit of {hard} descriptors of this machine does not allow for 10,000"
    met = ours <= 8 and count >= wanted
    return [Row("memory", "memory for each idle connection; connections served",
                peer is not None and f"{peer:.1f} KiB; {peer_count}",
                f"{ours:.1f} KiB; {count:,}", "8 KiB; 10,000",
                met if wanted == 10000 or not met else None,
                {"peer": peer, "ours": ours, "connections": count, "target": 8, "unit": "KiB"},
                note=note)]


def idle(bench):
    status = {}
    with ExitStack() as stack:
        worlds = [stack.enter_context(World(bench.paths, broker)) for broker in brokers(bench)]
        for world in worlds:
            client = world.client()
            client.ask("random 1")
            world.leave(client)
        time.sleep(IDLE_SECONDS)
        for world in worlds:
            status[world.broker.name] = world.daemon_status()
    peer, ours = status.get("tpm2-abrmd"), status["tabrmd"]

    def say(pair):
        return f"{pair[0]} / {pair[1] / 1024:.1f} MiB"

    return [Row("idle", "threads / resident memory of the daemon, idle", peer and say(peer),
                say(ours), f"2 to 4 / {peer[1] / 1024:.1f} MiB" if peer else "2 to 4",
                2 <= ours[0] <= 4 and (not peer or ours[1] <= peer[1]),
                {"peer": peer, "ours": ours, "unit": "threads, KiB"})]


WALL = [("together", together), ("wall", wall), ("paced", paced)]
ROWS = [("added", added), ("traced", traced), ("connect", connect), ("light", light), ("crowd", crowd),
        ("memory", memory), ("idle", idle)]
