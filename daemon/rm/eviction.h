/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who leaves when an object slot is needed.
 *
 * No one rule is right for all work: a program that goes from key to key wants the least recently
 * used out, one that walks many keys in a circle, or that uses a few of many keys most of the
 * time, is far better off when the least frequently used leaves. So there are two advisers. Each
 * plays through what would be in the chip if its rule alone were followed, and counts what it
 * would have had to load; the one with fewer misses of late is followed. An object that no client
 * can name goes before any that one can.
 */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct rm;
struct object;

enum eviction_adviser { EVICTION_RECENCY, EVICTION_FREQUENCY, EVICTION_ADVISERS };

/* What is remembered of an object, in the chip or not. */
struct eviction_record {
    double heat;                           /* uses, of which the old ones count less */
    uint64_t last_use;                     /* rm->clock */
    struct list shadow[EVICTION_ADVISERS]; /* in the adviser's `held`, or on no list */
};

/* What is remembered of the advisers. */
struct eviction {
    struct {
        struct list held; /* objects that would be in the chip */
        uint32_t count;
        double misses; /* of which the old ones count less */
    } advisers[EVICTION_ADVISERS];
};

void eviction_init(struct eviction *eviction);
void eviction_record_init(struct eviction_record *record);

/* Forgets an object that is about to be freed. */
void eviction_forget(struct rm *rm, struct object *object);

/* A command names the object, or made it. */
void eviction_note_use(struct rm *rm, struct object *object);

/* The loaded object that should leave first, of those that the running command does not name;
 * NULL when there is none. */
struct object *eviction_choose(struct rm *rm);
