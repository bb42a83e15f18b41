/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the manager interface of a daemon: by its socket, or else by the bus. Blocking;
 * one thread at a time.
 */
#pragma once

#include "place.h"

#include <gio/gio.h>

/* Milliseconds that an answer may take. */
#define MANAGER_CLIENT_PATIENCE_MS 25000

struct manager_client {
    struct place place;
    GDBusConnection *connection;
    const char *name;          /* of the daemon on the bus; NULL: by its socket. Borrowed */
    GCancellable *cancellable; /* ends what waits; NULL: nothing does. Borrowed */
};

/* Connects to the daemon at the place that the command line names. Gives EX_OK, or a status for
 * tabrmctl, and has said why. */
int manager_client_open(struct manager_client *client, const struct place_options *options);

/* All zero is fine. */
void manager_client_close(struct manager_client *client);

/*
 * Calls a method of org.tabrmd.Manager1 with `arguments`, a tuple that is consumed, or NULL; `type`
 * is that of its only result, or NULL where it has none. Gives the result, or "()", which the
 * caller unrefs; NULL with *error set otherwise.
 */
GVariant *manager_client_call(struct manager_client *client, const char *method,
                              GVariant *arguments, const char *type, int patience_ms,
                              GError **error);

/* Calls a method whose only result is a descriptor, which the caller closes; -1 with *error set
 * otherwise. `arguments` as above. */
int manager_client_descriptor(struct manager_client *client, const char *method,
                              GVariant *arguments, GError **error);

/* All properties, as a{sv}; the same. */
GVariant *manager_client_properties(struct manager_client *client, GError **error);
