/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/eviction.h"

#define ONE UINT32_C(65536)

/* Client commands after which a use counts half. */
#define FREQUENCY_HALF_LIFE 64

/* A miss counts this many 1024ths less with each use: half after 32 uses. */
#define MISS_DECAY 22

/* Frequencies within the factor ALIKE_MORE / ALIKE_LESS are alike. Of records with alike
 * frequencies the most recently used one leaves. So a part of a circle of keys stays that has more
 * keys than there are slots. */
#define ALIKE_MORE 8
#define ALIKE_LESS 5

void eviction_init(struct eviction *eviction)
{
    *eviction = (struct eviction){0};
    for (unsigned i = 0; i < EVICTION_POLICIES; i++)
        list_init(&eviction->policies[i].ghosts);
}

void eviction_record_init(struct eviction_record *record)
{
    *record = (struct eviction_record){0};
    for (unsigned i = 0; i < EVICTION_POLICIES; i++)
        list_init(&record->ghost[i]);
}

/* The frequency at time `now`; between two half-lives it falls in a straight line. */
static uint64_t frequency_at(const struct eviction_record *record, uint64_t now)
{
    uint64_t age = now - record->last_use, halvings = age / FREQUENCY_HALF_LIFE, frequency;

    if (halvings >= 32)
        return 0;
    frequency = record->frequency >> halvings;
    return frequency - frequency * (age % FREQUENCY_HALF_LIFE) / (2 * FREQUENCY_HALF_LIFE);
}

/* Whether `a` should leave rather than `b` by one policy's rule. */
static bool precedes(enum eviction_policy policy, const struct eviction_record *a,
                     const struct eviction_record *b, uint64_t now)
{
    uint64_t frequency_a, frequency_b;

    if (policy == EVICTION_RECENCY)
        return a->last_use < b->last_use;
    frequency_a = frequency_at(a, now);
    frequency_b = frequency_at(b, now);
    if (frequency_a * ALIKE_MORE >= frequency_b * ALIKE_LESS
        && frequency_b * ALIKE_MORE >= frequency_a * ALIKE_LESS)
        return a->last_use > b->last_use;
    return frequency_a < frequency_b;
}

static void drop_ghost(struct eviction *eviction, unsigned policy, struct eviction_record *record)
{
    if (list_empty(&record->ghost[policy]))
        return;
    list_remove(&record->ghost[policy]);
    eviction->policies[policy].count--;
}

void eviction_forget(struct eviction *eviction, struct eviction_record *record)
{
    for (unsigned i = 0; i < EVICTION_POLICIES; i++)
        drop_ghost(eviction, i, record);
}

/* The record that the policy would evict from its ghost list. */
static struct eviction_record *ghost_victim(struct eviction *eviction, enum eviction_policy policy,
                                            uint64_t now)
{
    struct eviction_record *victim = NULL;

    list_for_each (link, &eviction->policies[policy].ghosts) {
        struct eviction_record *record = list_entry(link, struct eviction_record, ghost[policy]);

        if (!victim || precedes(policy, record, victim, now))
            victim = record;
    }
    return victim;
}

static void use_ghost(struct eviction *eviction, enum eviction_policy policy,
                      struct eviction_record *record, uint32_t slots, uint64_t now)
{
    uint32_t *misses = &eviction->policies[policy].misses;

    *misses -= (uint32_t)((uint64_t)*misses * MISS_DECAY / 1024);
    if (!list_empty(&record->ghost[policy]))
        return;
    *misses += ONE;
    while (eviction->policies[policy].count > 0 && eviction->policies[policy].count >= slots)
        drop_ghost(eviction, policy, ghost_victim(eviction, policy, now));
    list_insert_before(&eviction->policies[policy].ghosts, &record->ghost[policy]);
    eviction->policies[policy].count++;
}

void eviction_note_use(struct eviction *eviction, struct eviction_record *record, uint32_t slots,
                       uint64_t now)
{
    use_ghost(eviction, EVICTION_RECENCY, record, slots, now);
    use_ghost(eviction, EVICTION_FREQUENCY, record, slots, now);
    /* The sum stays below a few half-lives' worth of uses. */
    record->frequency = (uint32_t)frequency_at(record, now) + ONE;
    record->last_use = now;
}

bool eviction_leaves_before(const struct eviction *eviction, const struct eviction_record *a,
                            const struct eviction_record *b, uint64_t now)
{
    enum eviction_policy policy =
        eviction->policies[EVICTION_RECENCY].misses <= eviction->policies[EVICTION_FREQUENCY].misses
            ? EVICTION_RECENCY
            : EVICTION_FREQUENCY;
    bool ghost_a = !list_empty(&a->ghost[policy]), ghost_b = !list_empty(&b->ghost[policy]);

    return ghost_a != ghost_b ? ghost_b : precedes(policy, a, b, now);
}
