/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The attackers of the soak as its driver sees them: processes of another user than the clients,
 * and whether the clients get their answers beside them. A stretch of the soak is as long as it
 * takes each attacker to make some rounds of its attack; in each stretch each client must get an
 * answer. That compares counts with counts, so that a slow machine is as good as a fast one.
 */
#pragma once

#include "process.h"
#include "tally.h"
#include "world.h"

struct attackers {
    struct process processes[SOAK_ATTACKERS];
    unsigned count; /* 0: this user cannot start any */
    unsigned stretches;
    unsigned starved;               /* clients without an answer, over all stretches */
    uint64_t fewest;                /* answers that a client got in a stretch */
    uint64_t answers[SOAK_CLIENTS]; /* as they were when the stretch began, */
    uint64_t rounds[SOAK_ATTACKERS];
    bool begun; /* which it does when each client has got an answer */
};

/* Starts them, if this user can: it takes root, and a user and a group for them. False when one
 * does not start. */
bool attackers_start(struct attackers *attackers, const struct world *world, uint64_t seed,
                     const char *tally);

/* Whether a stretch is over, and what the clients got in it. */
void attackers_look(struct attackers *attackers, const struct tally *tally);

/* Each made a round, and no client went without an answer in a stretch, of which there were. */
bool attackers_went_unnoticed(const struct attackers *attackers, const struct tally *tally);
