# SPDX-License-Identifier: BSD-2-Clause
"""Rows whose figures are counts: commands of the chip for one command of a client. They are exact,
and for tabrmd each is a test. The quiet time after which tabrmd empties the chip is switched off
here, so that no count depends on how fast the machine is.
"""
from report import Row
from world import World
import zipf

NEVER_IDLE = ["--idle-release=never"]
TIMES = 10
CIRCLE = list(range(8))
RECIPES_LIMIT = (110, 20)

KEY, SESSION = "key", "session hmac"
# Name, work, what a client does first, what before each time, the command, how many commands of
# the chip it may cost. The first use of an algorithm makes a TPM test itself, and the first answer
# may be one to keep: each command runs once before it is counted.
COMMANDS = [
    ("capability", "GetCapability of a fixed property, again", [], None, "capability", 0),
    ("readpublic", "ReadPublic of a loaded key, again", [KEY], None, "readpublic 0", 0),
    ("sign_password", "Sign, password, one key loaded", [KEY], None, "sign 0 password", 1),
    ("sign_hmac", "Sign, HMAC session, one key loaded", [KEY, SESSION], None, "sign 0 0", 1),
    ("sign_2_keys", "Sign, password, 2 keys and a session held", [KEY] * 2 + [SESSION], None,
     "sign 0 password", 1),
    ("sign_3_keys", "Sign, password, 3 keys and a session held", [KEY] * 3 + [SESSION], None,
     "sign 0 password", 1),
    ("sign_policy", "Sign, policy session, 3 objects held",
     ["key policy", KEY, KEY, "session policy"], "policy 0", "sign 0 0", 1),
]


def measure(paths, broker, setup, before, command, reserve=None):
    """Chip commands for one command, on average of a few."""
    with World(paths, broker, args(paths, broker, reserve)) as world:
        client = world.client()
        for job in setup:
            client.ask(job)
        total = 0
        for time in range(TIMES + 1):
            if before:
                client.ask(before)
            start = world.settled_counts()
            client.ask(f"{command} 1")
            total += world.settled_counts().since(start)[0] if time > 0 else 0
        return total / TIMES


def args(paths, broker, reserve=None):
    """Arguments of the daemon; `reserve` is that of --reserve, None for the default one."""
    if broker is not paths.ours:
        return []
    return NEVER_IDLE + ([f"--reserve={reserve}"] if reserve else [])


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def both(bench, measured):
    """The same measurement with the peer, where there is one, and with tabrmd."""
    peer = measured(bench.paths.peer) if bench.paths.peer else None
    return peer, measured(bench.paths.ours)


def command_row(bench, name, work, setup, before, command, target):
    peer, ours = both(bench, lambda broker: measure(bench.paths, broker, setup, before, command))
    return Row(name, work, peer is not None and number(peer), number(ours), number(target),
               ours == target, {"peer": peer, "ours": ours, "target": target},
               chart=("commands", work, peer, ours, number))


def random(bench):
    setups = [], [KEY], [KEY, SESSION]
    peer, ours = both(bench, lambda broker: [
        measure(bench.paths, broker, setup, None, "random") for setup in setups])
    return Row("random", "GetRandom, nothing held / 1 key / 1 key and 1 session",
               peer and " / ".join(map(number, peer)), " / ".join(map(number, ours)), "1",
               ours == [1, 1, 1], {"peer": peer, "ours": ours, "target": 1})


def signs(paths, broker, keys, warm_up, used, reserve=None):
    """Chip commands for signing with `used` keys, of `keys` that a client holds."""
    with World(paths, broker, args(paths, broker, reserve)) as world:
        client = world.client()
        for _ in range(keys):
            client.ask(KEY)
        client.ask("signs " + " ".join(map(str, warm_up)))
        start = world.settled_counts()
        client.ask("signs " + " ".join(map(str, used)))
        return world.settled_counts().since(start)[0]


def circle(bench):
    used = CIRCLE * 10
    peer, ours = both(bench, lambda broker: signs(
        bench.paths, broker, len(CIRCLE), CIRCLE * 2, used) / len(used))
    work = "Sign, 8 keys in turn, 3 slots"
    return Row("circle", work, peer is not None and number(peer), number(ours), "under 3", ours < 3,
               {"peer": peer, "ours": ours, "target": 3},
               chart=("commands", work, peer, ours, number))


def zipf_row(bench):
    used = zipf.trace()
    optimum = zipf.optimal_commands(used)
    peer, ours = both(bench, lambda broker: signs(
        bench.paths, broker, zipf.KEYS, range(zipf.KEYS), used))
    length = len(used)
    work = f"Sign, Zipf(1.1) over {zipf.KEYS} keys, 3 slots, {length} signs"
    return Row("zipf", work, peer and number(peer / length), number(ours / length),
               f"{number(1.15 * optimum / length)} (Bélády's optimum {number(optimum / length)})",
               ours <= 1.15 * optimum,
               {"peer": peer, "ours": ours, "optimum": optimum, "signs": length},
               note=f"{(ours / optimum - 1) * 100:.1f} % over the optimum of {optimum} commands",
               chart=("commands", work, peer and peer / length, ours / length, number))


def recipes(bench):
    def run(broker, arguments):
        with World(bench.paths, broker, arguments) as world:
            return world.recipes()

    peer, ours = both(bench, lambda broker: run(broker, args(bench.paths, broker)))
    data = {"peer": peer, "ours": ours, "target": RECIPES_LIMIT}
    note = None
    if not bench.quick:
        data["ours_with_idle_release"] = usual = run(bench.paths.ours, [])
        note = f"with the usual quiet time of tabrmd: {usual[0]}, {usual[1]} of them context"
    say = "{0[0]}, {0[1]} of them context".format
    return Row("recipes", "recipes.sh: seal, NV, PCR policy by tpm2-tools", peer and say(peer),
               say(ours), say(RECIPES_LIMIT),
               ours[0] <= RECIPES_LIMIT[0] and ours[1] <= RECIPES_LIMIT[1], data, note=note,
               chart=("share", "TPM commands of recipes.sh", peer and peer[0], ours[0], str))


ROWS = [("random", random)]
ROWS += [(row[0], lambda bench, row=row: command_row(bench, *row)) for row in COMMANDS]
ROWS += [("circle", circle), ("zipf", zipf_row), ("recipes", recipes)]
