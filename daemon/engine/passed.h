/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that the service manager passed to this daemon: a listening socket of its own, and
 * what it kept for a former daemon (keeper.h). */
#pragma once

#include <stdbool.h>

struct passed {
    int listening;   /* the service manager's listening socket, or -1 */
    int own;         /* the one that a former daemon made, or -1 */
    int journals[2]; /* memory of KEEPER_JOURNAL_0 and of KEEPER_JOURNAL_1, or -1 */
    int *connections;
    unsigned count, capacity; /* of connections */
};

/* Nothing was passed. */
void passed_init(struct passed *passed);

/* Adds a client's socket, and takes it over. False without memory. */
bool passed_add(struct passed *passed, int fd);

/* Whether anything of a former daemon's clients was passed. */
bool passed_has_clients(const struct passed *passed);

/* Closes all that nobody took out, which stays with the service manager as it is: there is
 * something for the next daemon only where this one ends before it has begun. Harmless when
 * repeated. */
void passed_clear(struct passed *passed);
