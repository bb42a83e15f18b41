/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/eviction.h"

#include "rm/state.h"

#include <math.h>

/* Commands after which a use counts half. */
#define HEAT_HALF_LIFE 64.0

/* Uses after which a miss of an adviser counts half. */
#define MISS_HALF_LIFE 32.0

/* Heats within this factor are alike. Of objects alike the last used leaves: those of a circle
 * that is larger than the chip are, and so some of them stay. */
#define HEAT_ALIKE 1.6

void eviction_init(struct eviction *eviction)
{
    *eviction = (struct eviction){0};
    for (unsigned i = 0; i < EVICTION_ADVISERS; i++)
        list_init(&eviction->advisers[i].held);
}

void eviction_record_init(struct eviction_record *record)
{
    *record = (struct eviction_record){0};
    for (unsigned i = 0; i < EVICTION_ADVISERS; i++)
        list_init(&record->shadow[i]);
}

static double heat_now(const struct rm *rm, const struct eviction_record *record)
{
    return record->heat * exp2(-(double)(rm->clock - record->last_use) / HEAT_HALF_LIFE);
}

/* Two candidates under an adviser's rule: should `a` leave rather than `b`? */
static bool leaves_before(const struct rm *rm, enum eviction_adviser adviser,
                          const struct eviction_record *a, const struct eviction_record *b)
{
    double heat_a, heat_b;

    if (adviser == EVICTION_RECENCY)
        return a->last_use < b->last_use;
    heat_a = heat_now(rm, a);
    heat_b = heat_now(rm, b);
    if (heat_a * HEAT_ALIKE >= heat_b && heat_b * HEAT_ALIKE >= heat_a)
        return a->last_use > b->last_use;
    return heat_a < heat_b;
}

static void shadow_drop(struct rm *rm, unsigned adviser, struct eviction_record *record)
{
    if (list_empty(&record->shadow[adviser]))
        return;
    list_remove(&record->shadow[adviser]);
    rm->eviction.advisers[adviser].count--;
}

void eviction_forget(struct rm *rm, struct object *object)
{
    for (unsigned i = 0; i < EVICTION_ADVISERS; i++)
        shadow_drop(rm, i, &object->eviction);
}

/* What the adviser's rule would put out of its own picture of the chip. */
static struct eviction_record *shadow_victim(struct rm *rm, enum eviction_adviser adviser)
{
    struct eviction_record *victim = NULL;

    list_for_each (link, &rm->eviction.advisers[adviser].held) {
        struct eviction_record *record = list_entry(link, struct eviction_record, shadow[adviser]);

        if (!victim || leaves_before(rm, adviser, record, victim))
            victim = record;
    }
    return victim;
}

static void shadow_use(struct rm *rm, enum eviction_adviser adviser, struct eviction_record *record)
{
    rm->eviction.advisers[adviser].misses *= exp2(-1.0 / MISS_HALF_LIFE);
    if (!list_empty(&record->shadow[adviser]))
        return;
    rm->eviction.advisers[adviser].misses += 1.0;
    if (rm->eviction.advisers[adviser].count >= rm->chip.object_slots)
        shadow_drop(rm, adviser, shadow_victim(rm, adviser));
    list_insert_before(&rm->eviction.advisers[adviser].held, &record->shadow[adviser]);
    rm->eviction.advisers[adviser].count++;
}

void eviction_note_use(struct rm *rm, struct object *object)
{
    struct eviction_record *record = &object->eviction;

    shadow_use(rm, EVICTION_RECENCY, record);
    shadow_use(rm, EVICTION_FREQUENCY, record);
    record->heat = heat_now(rm, record) + 1.0;
    record->last_use = rm->clock;
}

/* The order in which kinds of objects leave: what nobody can name in any way, what nobody has a
 * handle for, what the adviser would not have in the chip, all others. */
static int rank(const struct object *object, enum eviction_adviser adviser)
{
    if (object->references == 0)
        return blob_empty(&object->saved) ? 0 : 1;
    return list_empty(&object->eviction.shadow[adviser]) ? 2 : 3;
}

struct object *eviction_choose(struct rm *rm)
{
    enum eviction_adviser adviser = rm->eviction.advisers[EVICTION_RECENCY].misses
                                            <= rm->eviction.advisers[EVICTION_FREQUENCY].misses
                                        ? EVICTION_RECENCY
                                        : EVICTION_FREQUENCY;
    struct object *chosen = NULL;

    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);
        int order;

        if (object->pinned)
            continue;
        order = chosen ? rank(object, adviser) - rank(chosen, adviser) : -1;
        if (order < 0
            || (order == 0 && leaves_before(rm, adviser, &object->eviction, &chosen->eviction)))
            chosen = object;
    }
    return chosen;
}
