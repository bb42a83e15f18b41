/* SPDX-License-Identifier: BSD-2-Clause */
#include "gdbus-oracle.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bus-message.h"

/* A body of one number, as bus_message_read() has it. */
static uint64_t oracle_number(GDBusMessage *message)
{
    GVariant *body = g_dbus_message_get_body(message), *first;
    uint64_t number = 0;

    if (body == NULL || g_variant_n_children(body) != 1)
        return 0;
    first = g_variant_get_child_value(body, 0);
    if (g_variant_is_of_type(first, G_VARIANT_TYPE_UINT64))
        number = g_variant_get_uint64(first);
    else if (g_variant_is_of_type(first, G_VARIANT_TYPE_UINT32))
        number = g_variant_get_uint32(first);
    g_variant_unref(first);
    return number;
}

static bool oracle_same_text(const char *what, const char *ours, const char *theirs, char *why)
{
    if (g_strcmp0(ours, theirs) == 0)
        return true;
    snprintf(why, GDBUS_ORACLE_WHY, "%s is \"%.100s\" to us and \"%.100s\" to GDBus", what,
             ours != NULL ? ours : "(null)", theirs != NULL ? theirs : "(null)");
    return false;
}

static bool oracle_same_number(const char *what, uint64_t ours, uint64_t theirs, char *why)
{
    if (ours == theirs)
        return true;
    snprintf(why, GDBUS_ORACLE_WHY, "%s is 0x%jx to us and 0x%jx to GDBus", what, (uintmax_t)ours,
             (uintmax_t)theirs);
    return false;
}

static bool oracle_same(const struct bus_message *ours, GDBusMessage *theirs, char *why)
{
    if (!oracle_same_number("the type", ours->type,
                            (uint64_t)g_dbus_message_get_message_type(theirs), why))
        return false;
    if (ours->type != BUS_MESSAGE_METHOD_RETURN && ours->type != BUS_MESSAGE_ERROR)
        return true;
    return oracle_same_number("the reply serial", ours->reply_serial,
                              g_dbus_message_get_reply_serial(theirs), why)
           && oracle_same_number("the first argument", ours->number, oracle_number(theirs), why)
           && oracle_same_text("the sender", ours->sender, g_dbus_message_get_sender(theirs), why)
           && oracle_same_text("the error's name", ours->error_name,
                               g_dbus_message_get_error_name(theirs), why)
           && oracle_same_text("the signature", ours->signature,
                               g_dbus_message_get_signature(theirs), why)
           && oracle_same_text("the first argument", ours->text, g_dbus_message_get_arg0(theirs),
                               why);
}

enum gdbus_oracle gdbus_oracle_ask(const uint8_t *bytes, size_t size, char why[GDBUS_ORACLE_WHY])
{
    struct bus_message ours;
    bool read = bus_message_read(&ours, bytes, size) == 0, same;
    GDBusMessage *theirs;
    GError *error = NULL;
    guchar *copy;

    strcpy(why, "shorter than a header");
    /* GDBus takes neither what is shorter nor bytes that cannot be changed. */
    if (size < BUS_MESSAGE_FIXED_SIZE)
        return read ? GDBUS_ORACLE_GDBUS_REFUSES : GDBUS_ORACLE_BOTH_REFUSE;
    copy = g_memdup2(bytes, size);
    theirs =
        g_dbus_message_new_from_blob(copy, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    g_free(copy);
    if (theirs == NULL) {
        snprintf(why, GDBUS_ORACLE_WHY, "GDBus refuses it: %s", error->message);
        g_error_free(error);
        return read ? GDBUS_ORACLE_GDBUS_REFUSES : GDBUS_ORACLE_BOTH_REFUSE;
    }
    same = read && oracle_same(&ours, theirs, why);
    g_object_unref(theirs);
    return !read ? GDBUS_ORACLE_WE_REFUSE : same ? GDBUS_ORACLE_BOTH_READ : GDBUS_ORACLE_DISAGREE;
}
