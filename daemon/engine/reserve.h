/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of the chip stays free for its other users. What a user needs at a time:
 * - one object and one session: a new user, before anything is known of it; CreatePrimary
 * - two objects: the kernel's own load of a key under a persistent parent, which the chip copies
 *   into a slot
 * - two of each: Load under a persistent parent with a policy session and one that encrypts, by a
 *   program on the kernel's resource manager
 *
 * Nothing here asks anybody: all that is known is in struct reserve_view.
 */
#pragma once

#include "rm/rm.h"

/* What was ordered. */
enum reserve_kind {
    RESERVE_AUTO,
    RESERVE_NEVER,
    RESERVE_SLOTS, /* as many as the rule says */
};

struct reserve_rule {
    enum reserve_kind kind;
    uint32_t objects, sessions;
};

/* What is known of the chip's other users. */
struct reserve_view {
    bool shared;          /* the chip is a kernel's device */
    bool kernel_sessions; /* the kernel keeps sessions of its own */
    bool trusted_keys;    /* or has trusted keys */
    bool open;            /* somebody has its resource manager's device open, or may have */
    int watch_error;      /* errno: why it cannot be seen who has; 0: it can */
};

/* The most slots of a kind that can be ordered. */
#define RESERVE_MOST 64

#define RESERVE_TEXT 256 /* bytes of a sentence, its final 0 included */

/* What is to stay free now. */
struct rm_reserve reserve_get(const struct reserve_rule *rule, const struct reserve_view *view);

/* Says what stays free, and why. */
void reserve_describe(const struct reserve_rule *rule, const struct reserve_view *view,
                      char text[RESERVE_TEXT]);

/* Whether the chip is to be left empty after a while without commands: another user may want more
 * of the chip than the reserve, or use it more often than the manager can know. */
bool reserve_leaves_empty(const struct reserve_view *view);
