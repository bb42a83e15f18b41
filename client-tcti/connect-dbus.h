/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's methods on a bus, called in turn over a connection of their own to that bus. libc
 * only; no thread exists behind it.
 *
 * Functions return a TSS2_RC of the TCTI layer, and write a sentence to the CONNECT_DBUS_WHY bytes
 * at `why` when it is not 0. One thread at a time for each peer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

#include "conf.h"

#define CONNECT_DBUS_PATH      "/com/intel/tss2/Tabrmd/Tcti"
#define CONNECT_DBUS_INTERFACE "com.intel.tss2.TctiTabrmd"

/* Room for the sentence that says why a call failed. */
#define CONNECT_DBUS_WHY 256

/* A connection to a bus, with the daemon's connection that was created over it. */
struct connect_dbus_peer;

/* Creates a connection of the daemon; of one that comes after it, where it died before its answer.
 * The caller owns `*peer` and the descriptor `*fd`; neither is
 * touched when it fails. */
TSS2_RC connect_dbus_open(struct connect_dbus_peer **peer, int *fd, enum conf_bus bus,
                          const char *bus_name, int64_t deadline, char *why);

/* Call the daemon's methods; `*verdict` is what it returned. */
TSS2_RC connect_dbus_cancel(struct connect_dbus_peer *peer, uint32_t *verdict, int64_t deadline,
                            char *why);
TSS2_RC connect_dbus_set_locality(struct connect_dbus_peer *peer, uint8_t locality,
                                  uint32_t *verdict, int64_t deadline, char *why);

/*
 * After a call that failed: whether another one may be answered. It is, by the daemon that has
 * taken the place of one that died, and the connection `fd` with it. Waits until that daemon is on
 * the bus, and connects to the bus again where that was restarted. False at once when `fd` is hung
 * up, or the call failed for another reason.
 */
bool connect_dbus_find(struct connect_dbus_peer *peer, int fd, int64_t deadline, char *why);

/* Before a call on a bus connection that other processes use too: `serial` is of their newest call,
 * and `whole` says that all their calls were over. If not, the connection is closed. */
void connect_dbus_share(struct connect_dbus_peer *peer, uint32_t serial, bool whole);

/* After a call: whether it was no call that others must not follow, as far as this process knows;
 * then its serial. */
bool connect_dbus_shared(const struct connect_dbus_peer *peer, uint32_t *serial);

/* Takes NULL. In a forked child it closes the child's descriptor and says nothing to the bus. */
void connect_dbus_close(struct connect_dbus_peer *peer);
