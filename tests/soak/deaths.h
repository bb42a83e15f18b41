/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deaths of the soak's daemon, at moments that chance has from a seed. It is run by a service
 * manager that keeps its descriptors (keeper.h), and ends of SIGKILL, of SIGUSR1, which hands over
 * to the next one, or of both, so that it is killed while it hands over or while the next one takes
 * over. After each kill there is a hand-over: a daemon that dies several times in a row takes its
 * clients for the cause.
 */
#pragma once

#include "keeper.h"
#include "world.h"

struct deaths {
    struct world *world;
    struct keeper *keeper;
    uint64_t chance; /* state of the generator */
    bool killed;     /* the last daemon was */
    bool lived_long; /* the present one, longer than others */
    unsigned kills;  /* of daemons at work, */
    unsigned cut;    /* of those that hand over or take over, */
    unsigned hand_overs;
    unsigned starts; /* of daemons, when this one was waited for */
    unsigned looks;  /* at what is kept */
};

/* Starts the service manager and the world's daemon. */
bool deaths_start(struct deaths *deaths, struct world *world, uint64_t seed);

/* Lets the daemon live for a while. */
void deaths_wait(struct deaths *deaths);

/* Has it die, and waits for the next one. False when one ended otherwise than it was made to, or
 * none came. */
bool deaths_next(struct deaths *deaths);

/* Whether of each connection of the daemon one socket is kept, its own listening socket, one
 * journal, and nothing else; looks until it is so, as connections come and go. */
bool deaths_are_kept_right(struct deaths *deaths);

/* The same, without any connection. */
bool deaths_left_nothing(struct deaths *deaths);

/* Whether each daemon found its clients and what they had in what the former one left. */
bool deaths_were_outlived(const struct deaths *deaths);

/* Ends the daemon as `systemctl stop` does. Its exit status, or -1. */
int deaths_stop(struct deaths *deaths);

/* NULL inside is fine. */
void deaths_free(struct deaths *deaths);
