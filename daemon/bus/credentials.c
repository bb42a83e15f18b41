/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/credentials.h"

#include <gio/gio.h>

/* The serials of questions about groups, and of those about users. */
#define CREDENTIALS_GROUPS CREDENTIALS_SERIAL
#define CREDENTIALS_USER   (CREDENTIALS_SERIAL + CALLERS_QUERIES)

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
    credentials_send(bus, CREDENTIALS_GROUPS + query, "GetConnectionCredentials", sender);
    credentials_send(bus, CREDENTIALS_USER + query, "GetConnectionUnixUser", sender);
}

/* The groups in an answer to GetConnectionCredentials, as an array of uint32_t; NULL when it has
 * none. */
static GBytes *credentials_read_groups(const uint8_t *bytes, size_t size)
{
    g_autoptr(GDBusMessage) answer = g_dbus_message_new_from_blob(
        (guchar *)(uintptr_t)bytes, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    GVariant *body = answer ? g_dbus_message_get_body(answer) : NULL;
    g_autoptr(GVariant) all = NULL, groups = NULL;

    if (!body || !g_variant_is_of_type(body, G_VARIANT_TYPE("(a{sv})")))
        return NULL;
    all = g_variant_get_child_value(body, 0);
    groups = g_variant_lookup_value(all, "UnixGroupIDs", G_VARIANT_TYPE("au"));
    return groups ? g_variant_get_data_as_bytes(groups) : NULL;
}

bool credentials_are_told(struct callers *callers, const struct message *message,
                          const uint8_t *bytes, size_t size)
{
    bool answered = message->type == MESSAGE_RETURN;
    uint32_t uid = 0;

    if (message->reply_serial < CREDENTIALS_GROUPS
        || g_strcmp0(message->sender, MESSAGE_BUS_NAME) != 0)
        return false;
    if (message->reply_serial < CREDENTIALS_USER) {
        g_autoptr(GBytes) groups = answered ? credentials_read_groups(bytes, size) : NULL;

        return callers_told_groups(callers, message->reply_serial - CREDENTIALS_GROUPS, groups);
    }
    answered = answered && message_read_number(message, &uid);
    return callers_told(callers, message->reply_serial - CREDENTIALS_USER, answered, uid);
}
