/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/credentials.h"

#include <gio/gio.h>

/* The serials of first questions, and of second ones. */
#define CREDENTIALS_ALL  CREDENTIALS_SERIAL
#define CREDENTIALS_USER (CREDENTIALS_SERIAL + CALLERS_QUERIES)

static void credentials_send(struct endpoint *bus, uint32_t serial, const char *member,
                             const char *sender)
{
    uint8_t bytes[MESSAGE_BUILD_MAX];
    size_t size = message_build_bus_call(bytes, serial, member, sender);

    if (size > 0)
        endpoint_send(bus, OUTBOX_URGENT, bytes, size);
}

void credentials_ask(struct endpoint *bus, uint32_t query, const char *sender)
{
    credentials_send(bus, CREDENTIALS_ALL + query, "GetConnectionCredentials", sender);
}

/* The values in an answer to GetConnectionCredentials, a{sv}; NULL when it has none. */
static GVariant *credentials_read(const uint8_t *bytes, size_t size)
{
    g_autoptr(GDBusMessage) answer = g_dbus_message_new_from_blob(
        (guchar *)(uintptr_t)bytes, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    GVariant *body = answer ? g_dbus_message_get_body(answer) : NULL;

    return body && g_variant_is_of_type(body, G_VARIANT_TYPE("(a{sv})"))
               ? g_variant_get_child_value(body, 0)
               : NULL;
}

/* The groups among those values, as an array of uint32_t; NULL when there are none. */
static GBytes *credentials_groups(GVariant *all)
{
    g_autoptr(GVariant) groups =
        all ? g_variant_lookup_value(all, "UnixGroupIDs", G_VARIANT_TYPE("au")) : NULL;

    return groups ? g_variant_get_data_as_bytes(groups) : NULL;
}

/* Takes the answer to a first question; `all` is NULL when it tells nothing. */
static bool credentials_take(struct callers *callers, struct endpoint *bus, uint32_t query,
                             GVariant *all)
{
    g_autoptr(GBytes) groups = credentials_groups(all);
    uint32_t uid, pid;

    if (!callers_told_groups(callers, query, groups))
        return false;
    if (all && g_variant_lookup(all, "ProcessID", "u", &pid))
        callers_told_pid(callers, query, pid);
    if (all && g_variant_lookup(all, "UnixUserID", "u", &uid))
        return callers_told(callers, query, true, uid);
    credentials_send(bus, CREDENTIALS_USER + query, "GetConnectionUnixUser",
                     callers_asked(callers, query));
    return true;
}

bool credentials_are_told(struct callers *callers, struct endpoint *bus,
                          const struct message *message, const uint8_t *bytes, size_t size)
{
    bool answered = message->type == MESSAGE_RETURN;
    uint32_t uid = 0;

    if (message->reply_serial < CREDENTIALS_ALL
        || g_strcmp0(message->sender, MESSAGE_BUS_NAME) != 0)
        return false;
    if (message->reply_serial < CREDENTIALS_USER) {
        g_autoptr(GVariant) all = answered && bytes ? credentials_read(bytes, size) : NULL;

        return credentials_take(callers, bus, message->reply_serial - CREDENTIALS_ALL, all);
    }
    answered = answered && message_read_number(message, &uid);
    return callers_told(callers, message->reply_serial - CREDENTIALS_USER, answered, uid);
}
