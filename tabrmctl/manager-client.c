/* SPDX-License-Identifier: BSD-2-Clause */
#include "manager-client.h"

#include "manager-error.h"
#include "manager-names.h"
#include "message.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixsocketaddress.h>
#include <sysexits.h>

/* Seconds that connecting to the socket may take. */
#define CLIENT_CONNECT_S 10

/* The connection to the daemon's own socket. */
static GDBusConnection *client_by_socket(const char *path, GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketConnection) stream = NULL;
    GDBusConnection *connection;

    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_set_timeout(client, CLIENT_CONNECT_S); /* holds for the authentication, too */
    stream = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
    if (!stream)
        return NULL;
    connection = g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL,
                                            G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
                                            NULL, error);
    g_socket_set_timeout(g_socket_connection_get_socket(stream), 0);
    return connection;
}

static GDBusConnection *client_by_bus(bool session, GError **error)
{
    GBusType type = session ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;
    GDBusConnection *connection = g_bus_get_sync(type, NULL, error);

    if (connection)
        g_dbus_connection_set_exit_on_close(connection, FALSE);
    return connection;
}

int manager_client_open(struct manager_client *client, const struct place_options *options)
{
    g_autoptr(GError) by_socket = NULL, by_bus = NULL;

    *client = (struct manager_client){.connection = NULL};
    if (!place_find(&client->place, options))
        return EX_USAGE;
    if (client->place.socket)
        client->connection = client_by_socket(client->place.socket, &by_socket);
    if (client->connection || !client->place.name)
        return client->connection ? EX_OK : manager_error_say_absent(client, by_socket, NULL);
    client->connection = client_by_bus(client->place.session, &by_bus);
    client->name = client->place.name;
    return client->connection ? EX_OK : manager_error_say_absent(client, by_socket, by_bus);
}

void manager_client_close(struct manager_client *client)
{
    g_clear_object(&client->connection);
    place_clear(&client->place);
}

static GVariant *client_call(struct manager_client *client, const char *interface,
                             const char *method, GVariant *arguments, int patience_ms,
                             GError **error)
{
    return g_dbus_connection_call_sync(
        client->connection, client->name, MANAGER_NAMES_PATH, interface, method, arguments, NULL,
        G_DBUS_CALL_FLAGS_NO_AUTO_START, patience_ms, client->cancellable, error);
}

/* The only value of an answer, which is consumed. */
static GVariant *client_result(GVariant *answer, const char *method, const char *type,
                               GError **error)
{
    g_autofree char *wanted = g_strdup_printf("(%s)", type ? type : "");
    g_autoptr(GVariant) whole = answer;

    if (!whole)
        return NULL;
    if (!g_variant_is_of_type(whole, G_VARIANT_TYPE(wanted))) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s gives %s and not %s", method,
                    g_variant_get_type_string(whole), wanted);
        return NULL;
    }
    return type ? g_variant_get_child_value(whole, 0) : g_steal_pointer(&whole);
}

GVariant *manager_client_call(struct manager_client *client, const char *method,
                              GVariant *arguments, const char *type, int patience_ms,
                              GError **error)
{
    return client_result(
        client_call(client, MANAGER_NAMES_INTERFACE, method, arguments, patience_ms, error), method,
        type, error);
}

int manager_client_descriptor(struct manager_client *client, const char *method,
                              GVariant *arguments, GError **error)
{
    g_autoptr(GUnixFDList) list = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        client->connection, client->name, MANAGER_NAMES_PATH, MANAGER_NAMES_INTERFACE, method,
        arguments, NULL, G_DBUS_CALL_FLAGS_NONE, MANAGER_CLIENT_PATIENCE_MS, NULL, &list,
        client->cancellable, error);
    gint32 index = -1;

    if (!answer)
        return -1;
    if (g_variant_is_of_type(answer, G_VARIANT_TYPE("(h)")))
        g_variant_get(answer, "(h)", &index);
    if (!list || index < 0 || index >= g_unix_fd_list_get_length(list)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s gives no descriptor", method);
        return -1;
    }
    return g_unix_fd_list_get(list, index, error);
}

GVariant *manager_client_properties(struct manager_client *client, GError **error)
{
    return client_result(client_call(client, "org.freedesktop.DBus.Properties", "GetAll",
                                     g_variant_new("(s)", MANAGER_NAMES_INTERFACE),
                                     MANAGER_CLIENT_PATIENCE_MS, error),
                         "GetAll", "a{sv}", error);
}
