/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the things in the chip's slots leaves when a slot is needed. There are two kinds of
 * slots, for objects and for sessions, and each has a `struct eviction` of its own.
 *
 * No one policy is right for all work. A program that goes from key to key is served best when the
 * least recently used key leaves; one that walks many keys in a circle, or that uses a few of many
 * keys most of the time, when the least frequently used key leaves. So there are two policies. Each
 * has a ghost list: what would be in the slots if this policy alone had been followed. A use of
 * something that is not on the ghost list is a miss of the policy. The policy with fewer recent
 * misses is followed.
 *
 * Times are counts of client commands (rm->clock). Nothing here allocates.
 */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum eviction_policy { EVICTION_RECENCY, EVICTION_FREQUENCY, EVICTION_POLICIES };

/* The uses of one object or session, in the chip or not; embedded in the object or session. */
struct eviction_record {
    uint32_t frequency;                   /* uses in 1/65536, of which old ones count less */
    uint64_t last_use;                    /* rm->clock */
    struct list ghost[EVICTION_POLICIES]; /* in the policy's ghost list, or in none */
};

/* The policies of one kind of slots: their ghost lists and misses. */
struct eviction {
    struct {
        struct list ghosts;
        uint32_t count;  /* of `ghosts` */
        uint32_t misses; /* in 1/65536, of which old ones count less */
    } policies[EVICTION_POLICIES];
};

void eviction_init(struct eviction *eviction);
void eviction_record_init(struct eviction_record *record);

/* Forgets an object or session that is about to be freed. */
void eviction_forget(struct eviction *eviction, struct eviction_record *record);

/* A command uses the object or session, or made it, at time `now`. `slots` is the number of slots
 * of its kind. */
void eviction_note_use(struct eviction *eviction, struct eviction_record *record, uint32_t slots,
                       uint64_t now);

/* Whether `a` should leave rather than `b` at time `now`, by the policy that is followed. */
bool eviction_leaves_before(const struct eviction *eviction, const struct eviction_record *a,
                            const struct eviction_record *b, uint64_t now);
