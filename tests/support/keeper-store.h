/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors that a service manager keeps for a service (FDSTORE=1, sd_notify(3)). */
#pragma once

#include <poll.h>
#include <stdbool.h>

#define KEEPER_STORE_NAME 64 /* bytes of a name, its final 0 included */

struct keeper_store {
    struct kept_descriptor *kept;
    unsigned count, max; /* that there are, and that there may be */
    unsigned refused;    /* that were sent and not kept for want of room */
};

/* Empty. */
void keeper_store_init(struct keeper_store *store, unsigned max);

/* Closes all. */
void keeper_store_clear(struct keeper_store *store);

/* Takes the descriptor over: one whose file is kept already is closed, and so is one without room.
 * `polled` ones are dropped when their peer hangs up. */
void keeper_store_add(struct keeper_store *store, int fd, const char *name, bool polled);

/* Drops all with that name. */
void keeper_store_remove(struct keeper_store *store, const char *name);

/* How many have that name; NULL counts all. */
unsigned keeper_store_count(const struct keeper_store *store, const char *name);

/* The first descriptor of that name, which stays the store's; -1 when there is none. */
int keeper_store_find(const struct keeper_store *store, const char *name);

/* Appends what poll(2) is to look at, and gives how many. */
unsigned keeper_store_watch(const struct keeper_store *store, struct pollfd *polled);

/* Drops those whose peer has hung up. */
void keeper_store_drop(struct keeper_store *store);

/* The descriptors, `count` of them, in the order in which they came; and their names with colons
 * between. Both to be freed with g_free(). */
int *keeper_store_descriptors(const struct keeper_store *store);
char *keeper_store_names(const struct keeper_store *store);
