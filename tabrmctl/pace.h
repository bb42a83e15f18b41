/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast connections go: from what two models of the same daemon count. Pure. */
#pragma once

#include "model.h"

struct pace {
    const struct model_connection *connection; /* of the later model */
    double commands;                           /* a second */
    double busy;                               /* share of the time that its turns took, 0 to 1 */
};

enum pace_key {
    PACE_BUSY,
    PACE_COMMANDS,
    PACE_OBJECTS,
    PACE_SESSIONS,
    PACE_AGE,
    PACE_USER,
    PACE_PID,
    PACE_NUMBER,
    PACE_KEYS
};

/* The key with this name, or this letter, which is the first of its name; PACE_KEYS: there is none.
 */
enum pace_key pace_key_find(const char *name);
enum pace_key pace_key_letter(char letter);

/* "busy" and so on. */
const char *pace_key_name(enum pace_key key);

/*
 * The connections of the model `now`, in the order of a key: most first where it is an amount.
 * Their paces are those since the model `before`; where that is NULL those since they are there.
 * The caller unrefs the array of struct pace, which points into the model.
 */
GArray *pace_of(const struct model *before, const struct model *now, enum pace_key key,
                bool reverse);

/* Seconds between two models; 0 where there is no first one. */
double pace_interval(const struct model *before, const struct model *now);

/* How much a count grew from one model to the next; 0 where the daemon was started anew. */
uint64_t pace_growth(uint64_t before, uint64_t now);
