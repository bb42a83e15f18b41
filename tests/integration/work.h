/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's work of all kinds, by bytes: each command gets one answer, which is a whole frame. A
 * daemon may be killed while it runs, and a next one must go on with it; what a client may lose of
 * that is a command's answer (0xB0101), and what such a command named.
 *
 * What goes wrong is said in words, as the work may run in any thread.
 */
#pragma once

#include "served.h"

/* The TPM's counter and PCR that work changes, as far as is known. */
struct work_marks {
    uint64_t counter;
    uint8_t pcr[32];
};

struct work {
    const struct world *world;
    struct raw_client *raw;
    uint32_t key, session;          /* that were there before; the session may be another one */
    unsigned lost;                  /* answers */
    unsigned incremented, extended; /* the counter, the PCR */
    unsigned perhaps_incremented, perhaps_extended; /* besides */
    char said[200];                                 /* what was wrong; empty: nothing */
};

/* Makes the counter, past the daemon, which must not run. */
void work_make_counter(const struct world *world);

/* Connects, and makes what the work uses. False when something was wrong, as all that follow. */
bool work_begin(struct work *work, const struct world *world);

/* Does it. */
bool work_do(struct work *work);

/* Whether the key and the session work, nothing came that nobody asked for, and counter and PCR
 * moved from the marks on as often as was answered, or may have been; the marks follow. */
bool work_check(struct work *work, struct work_marks *marks);

/* Disconnects. */
void work_end(struct work *work);
