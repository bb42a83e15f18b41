/* SPDX-License-Identifier: BSD-2-Clause */
#include "belady.h"

/* Where in the trace the thing is used next, from `from` on; `length` when it is not. */
static unsigned next_use(const uint8_t *trace, unsigned length, unsigned from, uint8_t thing)
{
    while (from < length && trace[from] != thing)
        from++;
    return from;
}

unsigned belady_loads(const uint8_t *trace, unsigned length, unsigned slots)
{
    uint8_t held[BELADY_SLOTS];
    unsigned count = 0, loads = 0;

    for (unsigned i = 0; i < length; i++) {
        unsigned farthest = 0, victim = 0, slot = 0;

        while (slot < count && held[slot] != trace[i])
            slot++;
        if (slot < count)
            continue;
        loads++;
        if (count < slots) {
            held[count++] = trace[i];
            continue;
        }
        for (slot = 0; slot < count; slot++) {
            unsigned next = next_use(trace, length, i + 1, held[slot]);

            if (next > farthest) {
                farthest = next;
                victim = slot;
            }
        }
        held[victim] = trace[i];
    }
    return loads;
}
