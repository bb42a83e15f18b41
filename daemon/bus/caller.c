/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/caller.h"

struct caller_lookup {
    caller_known_fn *then;
    void *data;
};

static void caller_lookup_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree struct caller_lookup *lookup = data;
    g_autoptr(GVariant) reply = NULL;
    guint32 uid = 0;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    if (reply)
        g_variant_get(reply, "(u)", &uid);
    lookup->then(lookup->data, reply != NULL, uid);
}

void caller_lookup(GDBusConnection *connection, const char *sender, GCancellable *cancellable,
                   caller_known_fn *then, void *data)
{
    struct caller_lookup *lookup = g_new(struct caller_lookup, 1);

    *lookup = (struct caller_lookup){then, data};
    g_dbus_connection_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetConnectionUnixUser",
                           g_variant_new("(s)", sender), G_VARIANT_TYPE("(u)"),
                           G_DBUS_CALL_FLAGS_NONE, -1, cancellable, caller_lookup_done, lookup);
}
