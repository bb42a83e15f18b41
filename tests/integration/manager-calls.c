/* SPDX-License-Identifier: BSD-2-Clause */
#include "manager-calls.h"

#include <stdio.h>
#include <string.h>

#define PATH      "/org/tabrmd/Manager"
#define INTERFACE "org.tabrmd.Manager1"

struct manager_signal {
    GDBusConnection *connection;
    guint subscription;
    GString *said; /* the arguments of all that came */
};

char *manager_calls_socket(const struct world *world)
{
    return world_path(world, "run/manager.sock");
}

GDBusConnection *manager_calls_connect(const struct world *world)
{
    g_autofree char *path = manager_calls_socket(world);
    g_autofree char *address = g_strconcat("unix:path=", path, NULL);
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);

    if (!connection)
        fprintf(stderr, "manager: %s\n", error->message);
    return connection;
}

static GVariant *call(GDBusConnection *connection, const char *name, const char *method,
                      GVariant *arguments, const char *type, GError **error)
{
    return g_dbus_connection_call_sync(connection, name, PATH, INTERFACE, method, arguments,
                                       type ? G_VARIANT_TYPE(type) : NULL, G_DBUS_CALL_FLAGS_NONE,
                                       WORLD_START_MS, NULL, error);
}

GVariant *manager_calls_get(GDBusConnection *connection, const char *name, const char *method,
                            const char *type)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = call(connection, name, method, NULL, type, &error), *value;

    if (error)
        fprintf(stderr, "manager: %s: %s\n", method, error->message);
    assert_non_null(answer);
    value = g_variant_get_child_value(answer, 0);
    g_variant_unref(answer);
    return value;
}

void manager_calls_expect_error(GDBusConnection *connection, const char *name, const char *method,
                                GVariant *arguments, const char *expected)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = call(connection, name, method, arguments, NULL, &error);
    char *said;

    if (answer) {
        g_variant_unref(answer);
        assert_null(expected);
        return;
    }
    said = g_dbus_error_get_remote_error(error);
    if (!said || !expected)
        fprintf(stderr, "manager: %s: %s\n", method, error->message);
    assert_non_null(expected);
    assert_non_null(said);
    assert_string_equal(said, expected);
    g_free(said);
}

uint64_t manager_calls_number(GVariant *dictionary, const char *key)
{
    GVariant *value = g_variant_lookup_value(dictionary, key, NULL);
    uint64_t number = 0;

    if (!value)
        fprintf(stderr, "manager: there is no key %s\n", key);
    assert_non_null(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        number = g_variant_get_uint64(value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        number = g_variant_get_uint32(value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTE))
        number = g_variant_get_byte(value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        number = g_variant_get_boolean(value);
    else
        fail();
    g_variant_unref(value);
    return number;
}

void manager_calls_expect_text(GVariant *dictionary, const char *key, const char *text)
{
    const char *said = NULL;

    assert_true(g_variant_lookup(dictionary, key, "&s", &said));
    assert_string_equal(said, text);
}

char *manager_calls_text(GDBusConnection *connection, const char *name, const char *property)
{
    GVariant *answer = g_dbus_connection_call_sync(
        connection, name, PATH, "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", INTERFACE, property), G_VARIANT_TYPE("(v)"), G_DBUS_CALL_FLAGS_NONE,
        WORLD_START_MS, NULL, NULL);
    GVariant *value;
    char *text;

    assert_non_null(answer);
    g_variant_get(answer, "(v)", &value);
    text = g_variant_dup_string(value, NULL);
    g_variant_unref(value);
    g_variant_unref(answer);
    return text;
}

static void signal_came(GDBusConnection *connection, const char *sender, const char *path,
                        const char *interface, const char *member, GVariant *arguments,
                        gpointer data)
{
    struct manager_signal *signal = data;
    g_autofree char *text = g_variant_print(arguments, FALSE);

    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    (void)member;
    g_string_append(signal->said, text);
}

struct manager_signal *manager_calls_await_signal(GDBusConnection *connection, const char *member)
{
    struct manager_signal *signal = g_new(struct manager_signal, 1);

    signal->connection = connection;
    signal->said = g_string_new(NULL);
    signal->subscription =
        g_dbus_connection_signal_subscribe(connection, NULL, NULL, member, PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, signal_came, signal, NULL);
    /* Who has an answer is connected, and its rule is in force. */
    g_variant_unref(manager_calls_get(
        connection, g_dbus_connection_get_unique_name(connection) ? MANAGER_CALLS_NAME : NULL,
        "GetStatus", "(a{sv})"));
    return signal;
}

struct search {
    struct manager_signal *signal;
    const char *word;
};

static bool search_found(void *data)
{
    struct search *search = data;

    while (g_main_context_iteration(NULL, FALSE))
        ;
    return strstr(search->signal->said->str, search->word) != NULL;
}

bool manager_calls_signal_says(struct manager_signal *signal, const char *word)
{
    struct search search = {signal, word};

    return world_poll(search_found, &search, WORLD_START_MS);
}

void manager_calls_forget_signal(struct manager_signal *signal)
{
    g_dbus_connection_signal_unsubscribe(signal->connection, signal->subscription);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_string_free(signal->said, TRUE);
    g_free(signal);
}
