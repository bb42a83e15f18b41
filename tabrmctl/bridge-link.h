/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to tabrmd, and those who send commands on it, in turn: one program's connection
 * where each has its own, all of them where they share one. One command is under way at a time.
 * GLib's main loop of the main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

struct bridge_link;

/* Who sends commands. */
struct bridge_link_user {
    GList node; /* of those who wait for their turn; data is the user */
    /* It is the user's turn, and bridge_link_transmit() is to be called, once. */
    void (*turn)(struct bridge_link_user *user);
    /* The response. Its bytes are the link's, and wiped when this returns. */
    void (*answered)(struct bridge_link_user *user, const uint8_t *response, size_t size);
    /* The connection is no more, nor is the link any user's. */
    void (*lost)(struct bridge_link_user *user);
};

/* Connects, which may take some seconds. NULL, and it was said why, when that fails. Freed by
 * bridge_link_unref(). */
struct bridge_link *bridge_link_new(const char *conf);

struct bridge_link *bridge_link_ref(struct bridge_link *link);
void bridge_link_unref(struct bridge_link *link);

/* Has the user's turn() called as soon as nobody's command is under way: at once, if none is. */
void bridge_link_queue(struct bridge_link *link, struct bridge_link_user *user);

/* Sends a command under a locality, in the user's turn. Where that cannot be done answered() is
 * called with a response of our own. */
void bridge_link_transmit(struct bridge_link *link, struct bridge_link_user *user,
                          const uint8_t *command, size_t size, uint8_t locality);

/* Asks for the end of the command that is under way, if there is one. */
void bridge_link_cancel(struct bridge_link *link);

/* The user goes. A response that is still to come for it is dropped. */
void bridge_link_leave(struct bridge_link *link, struct bridge_link_user *user);

/* False when the connection was lost. */
bool bridge_link_alive(const struct bridge_link *link);

/* Whether commands may have this locality. */
bool bridge_link_may(struct bridge_link *link, uint8_t locality);
