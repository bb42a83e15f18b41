/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core of the library and its D-Bus module say to each other. The module is a shared
 * object of its own, so that a process that uses the daemon's socket loads no GLib.
 *
 * The module stays in the process once it is there: GLib's registered types cannot be unloaded.
 * It starts no thread and touches no main context: it speaks to the bus over a socket of its own
 * and uses GLib for the bytes of messages only, because a GDBusConnection starts threads that never
 * end, which a forked child does not have and yet waits for.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

#include "conf.h"

#define CONNECT_DBUS_MODULE "libtss2-tcti-tabrmd-dbus.so.0"
#define CONNECT_DBUS_SYMBOL "tabrmd_tcti_dbus"
#define CONNECT_DBUS_ABI    1

#define CONNECT_DBUS_PATH      "/com/intel/tss2/Tabrmd/Tcti"
#define CONNECT_DBUS_INTERFACE "com.intel.tss2.TctiTabrmd"

/* Room for the sentence that says why a call failed. */
#define CONNECT_DBUS_WHY 256

/* A connection to a bus, with the daemon's connection that was created over it. */
struct connect_dbus_peer;

/*
 * The module's one symbol. The functions return a TSS2_RC of the TCTI layer, and write a sentence
 * to the CONNECT_DBUS_WHY bytes at `why` when it is not 0. One thread at a time for each peer.
 */
struct connect_dbus {
    unsigned abi; /* CONNECT_DBUS_ABI */

    /* Creates a connection of the daemon. The caller owns `*peer` and the descriptor `*fd`. */
    TSS2_RC(*open)
    (struct connect_dbus_peer **peer, int *fd, enum conf_bus bus, const char *bus_name,
     int64_t deadline, char *why);
    /* Call the daemon's methods; `*verdict` is what it returned. */
    TSS2_RC(*cancel)
    (struct connect_dbus_peer *peer, uint32_t *verdict, int64_t deadline, char *why);
    TSS2_RC(*set_locality)
    (struct connect_dbus_peer *peer, uint8_t locality, uint32_t *verdict, int64_t deadline,
     char *why);
    /* Takes NULL. In a forked child it closes the child's descriptor and says nothing to the bus.
     */
    void (*close)(struct connect_dbus_peer *peer);
};
