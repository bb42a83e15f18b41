/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the daemon: the stream of commands and responses, and the way to say cancel and
 * set locality, which is control frames in that stream or the D-Bus connection that created it.
 * Functions return a TSS2_RC of the TCTI layer and log why it is not 0.
 */
#pragma once

#include "conf.h"
#include "connect-dbus.h"
#include "stream.h"

struct connection {
    struct stream stream;
    struct connect_dbus_peer *peer; /* NULL where control frames are spoken */
};

/* Connects as `conf` says, within the time that deadline.h allows. On failure nothing is open. */
TSS2_RC connection_open(struct connection *connection, const struct conf *conf);

/*
 * Asks the daemon to cancel the outstanding command. Over the daemon's socket it only sends, so
 * that it never takes bytes from under a receive in another thread, and the daemon's verdict shows
 * in the command's response; over D-Bus it waits for the daemon's answer. A command that is over
 * already is no error: its response is there.
 */
TSS2_RC connection_cancel(struct connection *connection);

/* Asks for a locality and waits for the answer. No command may be outstanding. */
TSS2_RC connection_set_locality(struct connection *connection, uint8_t locality);

/* Holds for a connection that never opened, and in a forked child. */
void connection_close(struct connection *connection);
