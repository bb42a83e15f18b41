# SPDX-License-Identifier: BSD-2-Clause
"""The reference trace of keys, and the fewest chip commands that any resource manager needs for it.

Signing with a key that is in the chip costs one command. With one that is not, its context must be
loaded, and as the slots are full, another key flushed. Belady's rule, to give up the key whose next
use is farthest away, makes the loads as few as can be. It needs to know the future.
"""

KEYS = 16
SIGNS = 2000
EXPONENT = 1.1
SLOTS = 3


def trace(length=SIGNS, keys=KEYS, seed=1):
    """Key numbers by Zipf's law, the same ones everywhere: the generator is our own."""
    weights = [1 / (rank + 1) ** EXPONENT for rank in range(keys)]
    total = sum(weights)
    used = []
    for _ in range(length):
        seed = (seed * 1664525 + 1013904223) % 2 ** 32
        at = total * (seed >> 8) / 2 ** 24
        key = 0
        while key + 1 < keys and at >= weights[key]:
            at -= weights[key]
            key += 1
        used.append(key)
    return used


def optimal_loads(used, slots=SLOTS):
    """Loads by Belady's rule, from empty slots."""
    following, later = [0] * len(used), {}
    for at in range(len(used) - 1, -1, -1):
        following[at] = later.get(used[at], len(used))
        later[used[at]] = at
    held, loads = {}, 0  # key: its next use
    for at, key in enumerate(used):
        if key not in held:
            loads += 1
            if len(held) == slots:
                del held[max(held, key=held.get)]
        held[key] = following[at]
    return loads


def optimal_commands(used, slots=SLOTS):
    """Chip commands that nobody can do with less of: whatever keys are in the slots at the start,
    they save no more loads than there are slots."""
    return len(used) + 2 * (optimal_loads(used, slots) - slots)
