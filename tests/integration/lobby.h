/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world with a socket that nobody but the daemons listen at, and who starts them again whatever
 * they end of (keeper.h), as systemd does by a socket unit; the bus waits for them too. So whoever
 * comes while there is no daemon waits for the next one.
 */
#pragma once

#include "keeper.h"
#include "served.h"

/* For cmocka: *state is a world whose bus waits for the daemon, without one. */
int lobby_make_world(void **state);
int lobby_end_world(void **state);

struct lobby {
    struct world *world;
    char *socket, *tcti, *log;
    int listener;
    struct keeper *keeper;
};

/* Starts the first daemon, for which `max` descriptors are kept; 0: none, and FDSTORE is not set.
 */
void lobby_open(struct lobby *lobby, struct world *world, unsigned max);

/* Ends the last one, which must be well. */
void lobby_close(struct lobby *lobby);
