# SPDX-License-Identifier: BSD-2-Clause
"""What it costs to leave slots free for the kernel and other users of the chip: the counts of
rows_counts.py, and those of clients that sign in HMAC sessions, under each reserve. On a machine
whose kernel owns the TPM one of the reserves is always kept; tabrmd(8) says which.
"""
from report import Row
from rows_counts import CIRCLE, COMMANDS, KEY, SESSION, args, measure, number, signs
from rows_times import TOGETHER_MS
from world import World
import zipf

SLOTS = 3
RESERVES = "never", "1,1", "2,1", "2,2"
NEAR = 1.1  # times Belady's optimum


def left(reserve, kind):
    """Slots that the reserve leaves; kind 0 for objects, 1 for sessions."""
    return SLOTS if reserve == "never" else max(1, SLOTS - int(reserve.split(",")[kind]))


def row(bench, name, work, measured, target):
    """`measured` and `target` give chip commands for one command; measured(broker, reserve)."""
    peer = measured(bench.paths.peer, None) if bench.paths.peer else None
    ours = [measured(bench.paths.ours, reserve) for reserve in RESERVES]
    targets = [target(reserve) for reserve in RESERVES]
    return Row(f"reserve_{name}", work, peer is not None and number(peer),
               " / ".join(map(number, ours)), " / ".join(map(number, targets)),
               all(our <= most for our, most in zip(ours, targets)),
               {"peer": peer, "target": targets, "reserves": RESERVES, "ours": ours})


def command_row(bench, name, work, setup, before, command, target):
    return row(bench, name, work,
               lambda broker, reserve: measure(bench.paths, broker, setup, before, command,
                                               reserve),
               lambda reserve: target)


def per_sign(bench, keys, warm_up, used):
    return lambda broker, reserve: signs(bench.paths, broker, keys, warm_up, used,
                                         reserve) / len(used)


def near(used, warm_up=()):
    """Commands for one signature that are near the optimum for the trace, after a warm-up."""
    def target(reserve):
        slots = left(reserve, 0)
        loads = (zipf.optimal_loads(list(warm_up) + list(used), slots)
                 - zipf.optimal_loads(list(warm_up), slots))
        return NEAR * (1 + 2 * loads / len(used))
    return target


def circle(bench):
    used, warm_up = CIRCLE * 10, CIRCLE * 2
    return row(bench, "circle", "Sign, password, 8 keys in turn",
               per_sign(bench, len(CIRCLE), warm_up, used), near(used, warm_up))


def zipf_row(bench):
    used, warm_up = zipf.trace(), range(zipf.KEYS)
    return row(bench, "zipf", f"Sign, password, Zipf(1.1) over {zipf.KEYS} keys",
               per_sign(bench, zipf.KEYS, warm_up, used), near(used, warm_up))


def three_keys(bench):
    """A client that signs in one HMAC session with each of three keys in turn."""
    used = [0, 1, 2] * 20

    def measured(broker, reserve):
        with World(bench.paths, broker, args(bench.paths, broker, reserve)) as world:
            client = world.client()
            for job in [KEY] * 3 + [SESSION] + [f"sign {key} 0 1" for key in used]:
                client.ask(job)
            start = world.settled_counts()
            for key in used:
                client.ask(f"sign {key} 0 1")
            return world.settled_counts().since(start)[0] / len(used)

    return row(bench, "three_keys", "Sign, HMAC session, a client with 3 keys in turn", measured,
               near(used, used))


def at_once(bench, name, keys, target):
    """Eight clients that sign without pause, each in a session of its own."""
    def measured(broker, reserve):
        with World(bench.paths, broker, args(bench.paths, broker, reserve)) as world:
            clients = [world.client() for _ in range(8)]
            for client in clients:
                for job in [KEY] * keys + [SESSION] + [f"sign {key} 0 1" for key in range(keys)]:
                    client.ask(job)
            start = world.settled_counts()
            for client in clients:
                client.tell(f"turns {keys} 0 {TOGETHER_MS}ms")
            signed = sum(len(client.hear()) for client in clients)
            return world.settled_counts().since(start)[0] / signed

    work = f"Sign, HMAC session, 8 clients at once with {keys} key{'s' * (keys > 1)} each"
    return row(bench, name, work, measured, lambda reserve: target[RESERVES.index(reserve)])


ROWS = [(f"reserve_{entry[0]}", lambda bench, entry=entry: command_row(bench, *entry))
        for entry in COMMANDS]
ROWS += [("reserve_circle", circle), ("reserve_zipf", zipf_row),
         ("reserve_three_keys", three_keys)]
# How often a key is moved depends on who has a command waiting when, so these are no exact counts.
AT_ONCE = [
    ("reserve_at_once_1", lambda bench: at_once(bench, "at_once_1", 1, (2.5, 2.5, 6, 6))),
    ("reserve_at_once_3", lambda bench: at_once(bench, "at_once_3", 3, (4.5, 4.5, 6, 6))),
]
