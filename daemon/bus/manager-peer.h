/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the manager interface that does not come by the bus. As with the bus (proxy.h)
 * GDBus has one end of a socket pair, and what reaches it is bounded:
 *
 * - the authentication is answered here: the kernel says who the peer is, and what the peer says of
 *   that does not matter. GDBus hears of a peer that is through with it;
 * - calls of at most PROXY_MESSAGE_MAX bytes pass, without arrays, structures and variants, and one
 *   at a time. While one is at work, or an answer waits for the peer to read, nothing is read from
 *   the peer, so that what it sends more of stays in its own socket;
 * - other messages, and descriptors, are dropped; bytes that are no D-Bus end the connection;
 * - signals are left out for a peer that does not read.
 *
 * So a peer costs one answer in memory at the most. Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

struct manager_peer;

/* None of the functions may free the peer. */
struct manager_peer_events {
    /* It speaks D-Bus: objects may be put on the connection, before the first call comes. */
    void (*begun)(void *data, GDBusConnection *connection);
    /* The connection, if it had begun, is of no use any more. */
    void (*ended)(void *data, GDBusConnection *connection);
    /* To be freed now, or later. */
    void (*gone)(void *data, struct manager_peer *peer);
    void *data;
};

/* A peer, user `uid`, behind the stream socket `fd`, which is taken over. Copies *events. */
struct manager_peer *manager_peer_new(int fd, uint32_t uid,
                                      const struct manager_peer_events *events);

/* Ends the connection, without an event but ended(); runs the main loop until GDBus has let go of
 * it. NULL is fine. */
void manager_peer_free(struct manager_peer *peer);

/* The user at the other end of such a connection. False for one to the bus. */
bool manager_peer_user(GDBusConnection *connection, uint32_t *uid);
