/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sessions in the chip are ours, in memory that outlives the process when it is killed (a
 * mapped file). The next daemon flushes what stands in it; a neighbour's sessions do not.
 * Plain data, written by plain stores: each store leaves it valid.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_MAGIC    UINT32_C(0x7461624c)
#define LEDGER_SESSIONS 1024

struct ledger {
    uint32_t magic;
    uint32_t starting;                  /* not 0: a session is being started, its handle unknown */
    uint32_t sessions[LEDGER_SESSIONS]; /* handles; 0 in a free place */
};

/* True for a ledger that was written by this code, not torn or foreign. */
static inline bool ledger_is_valid(const struct ledger *ledger)
{
    return ledger->magic == LEDGER_MAGIC;
}

static inline void ledger_clear(struct ledger *ledger)
{
    *ledger = (struct ledger){.magic = LEDGER_MAGIC};
}

/* NULL is fine as a ledger: then nothing is recorded. */
static inline void ledger_replace(struct ledger *ledger, uint32_t from, uint32_t to)
{
    for (unsigned i = 0; ledger && i < LEDGER_SESSIONS; i++) {
        if (ledger->sessions[i] == from) {
            ledger->sessions[i] = to;
            return;
        }
    }
}

static inline void ledger_add(struct ledger *ledger, uint32_t handle)
{
    ledger_replace(ledger, 0, handle);
}

static inline void ledger_remove(struct ledger *ledger, uint32_t handle)
{
    ledger_replace(ledger, handle, 0);
}

static inline void ledger_set_starting(struct ledger *ledger, bool starting)
{
    if (ledger)
        ledger->starting = starting;
}
