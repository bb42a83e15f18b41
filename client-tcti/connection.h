/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the daemon: the stream of commands and responses, and the way to cancel and to
 * set the locality, which is control frames in that stream or the D-Bus connection that created it.
 * Children of the process that opened the connection can use it too, in turn. Functions return a
 * TSS2_RC of the TCTI layer and log why it is not 0.
 */
#pragma once

#include "conf.h"
#include "connect-dbus.h"
#include "journal.h"
#include "stream.h"
#include "turn.h"

struct connection {
    struct stream stream;
    struct connect_dbus_peer *peer; /* NULL where control frames are spoken */
    struct journal journal;         /* of a connection that children can use */
    struct turn turn;
};

/* Connects as `conf` says, within the time that deadline.h allows. On failure nothing is open. */
TSS2_RC connection_open(struct connection *connection, const struct conf *conf);

/* Whether this process is a child of the process that opened the connection, or that called
 * connection_adopt() last. */
bool connection_forked(const struct connection *connection);

/* Makes the connection a child's, with nothing outstanding. False when the kernel cannot share it.
 */
bool connection_adopt(struct connection *connection);

/* Waits until no other process uses the connection, and finishes what a process that died left
 * undone. Other processes wait until connection_give(). NO_CONNECTION when another process found
 * the connection broken. */
TSS2_RC connection_take(struct connection *connection);
void connection_give(struct connection *connection);

/* Notes that the connection is of no more use to any process, and gives it back. */
void connection_break(struct connection *connection);

/*
 * Asks the daemon to cancel the outstanding command. Over the daemon's socket it only sends, so
 * that it never takes bytes from under a receive in another thread, and the daemon's verdict shows
 * in the command's response; over D-Bus it waits for the daemon's answer. A command that is over
 * already is no error: its response is there. BAD_SEQUENCE when this process has no command
 * outstanding.
 */
TSS2_RC connection_cancel(struct connection *connection);

/* Asks for a locality and waits for the answer. No command may be outstanding, and the connection
 * must be taken. */
TSS2_RC connection_set_locality(struct connection *connection, uint8_t locality);

/* Closes this process's connection; those of others stay. Holds for one that never opened. */
void connection_close(struct connection *connection);
