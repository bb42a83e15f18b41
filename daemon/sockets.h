/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that the daemon listens on: that of the clients, and in the same directory that of
 * the manager interface. Main thread. */
#pragma once

#include "engine/keeper.h"
#include "engine/listener.h"
#include "engine/passed.h"
#include "options.h"

/* All zero at first. */
struct sockets {
    struct listener *clients; /* NULL: none; whoever serves on one takes it over */
    char *path;               /* of that; NULL when there is none, or another made it */
    struct listener *manager;
};

/*
 * Opens them, the clients' if there is to be one: what the service manager passed, else the
 * option's, else in the directory that the service manager made. One that a former daemon made at
 * the same path is taken up, with the newcomers that wait there; a new one is stored by the keeper,
 * NULL for none. Takes the listening sockets out of `passed`. Before there are threads. The exit
 * status, with a sentence in *text unless it is EX_OK; to be freed with g_free().
 */
int sockets_open(struct sockets *sockets, const struct options *options, struct passed *passed,
                 struct keeper *keeper, char **text);

/* Closes those that nobody took over. With `leave` the clients' stays as it is for the next daemon,
 * as somebody keeps it. */
void sockets_close(struct sockets *sockets, bool leave);
