/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program's connection to the bridge: requests out of it, replies into it, never blocking. While
 * a command is under way, or a reply is not written whole, nothing is read: who sends without
 * reading waits. GLib's main loop of the main thread.
 */
#pragma once

#include "bridge-link.h"
#include "bridge-protocol.h"

/* Connections that are served at a time; others wait to be let in. A message bus lets a user have
 * 256 connections in all, and each of these may be one. */
#define BRIDGE_CONNECTIONS_MAX 64

/* All connections, and what is the same for them. */
struct bridge_hub {
    const struct bridge_protocol *protocol;
    const char *conf;           /* where tabrmd is */
    bool share;                 /* all have one connection to tabrmd */
    struct bridge_link *shared; /* that one, or NULL where it is still to be made */
    GList *connections;
    unsigned count;
    uint8_t locality; /* that a control channel asked for */
    /* There is one connection fewer; or NULL. */
    void (*fewer)(struct bridge_hub *hub);
};

/* Serves the connected socket `fd`, which is the connection's from then on, as a channel for
 * commands or as the other one. It frees itself when it ends. */
void bridge_connection_new(struct bridge_hub *hub, int fd, bool control);

/* Ends all. */
void bridge_connection_end_all(struct bridge_hub *hub);
