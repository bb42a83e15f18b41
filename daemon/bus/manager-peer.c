/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-peer.h"

#include "bus/endpoint.h"
#include "bus/manager-greeting.h"
#include "bus/message.h"
#include "bus/proxy.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The user's number plus 1, at a GDBusConnection. */
#define PEER_USER "tabrmd-peer-user"

/* With more bytes that wait for the peer, signals are left out. */
#define PEER_BACKLOG 16384

/* The serial of the peer's own messages: GDBus counts from 1 on. */
#define PEER_SERIAL UINT32_MAX

/* What GDBus answers to greeting_of_gdbus(): lines. */
#define PEER_GDBUS_LINES 2

struct manager_peer {
    struct manager_peer_events events;
    uint32_t uid;
    struct endpoint client, gdbus;
    struct manager_greeting greeting;
    unsigned lines; /* that GDBus answered */
    GDBusConnection *connection;
    GCancellable *cancellable;
    bool connecting; /* GDBus makes the connection */
    bool ended;
    guint gone_source;
    uint32_t at_work; /* serial of the call; 0: none */
    uint8_t from_client[PROXY_MESSAGE_MAX], from_gdbus[PROXY_OUT_MAX];
};

static gboolean peer_is_gone(gpointer data)
{
    struct manager_peer *peer = data;

    peer->gone_source = 0;
    peer->events.gone(peer->events.data, peer);
    return G_SOURCE_REMOVE;
}

/* The endpoints may be at work further up the stack. */
static void peer_end(struct manager_peer *peer)
{
    if (peer->ended)
        return;
    peer->ended = true;
    g_cancellable_cancel(peer->cancellable);
    endpoint_close(&peer->client);
    endpoint_close(&peer->gdbus);
    if (peer->connection)
        peer->events.ended(peer->events.data, peer->connection);
    if (!peer->connecting)
        peer->gone_source = g_idle_add_full(G_PRIORITY_DEFAULT, peer_is_gone, peer, NULL);
}

static void peer_broken(void *data)
{
    peer_end(data);
}

/* Whether the next message of the peer may be read. */
static void peer_balance(void *data)
{
    struct manager_peer *peer = data;
    bool ready =
        !peer->client.framing.messages || (peer->connection && peer->gdbus.framing.messages);

    if (!peer->ended)
        endpoint_pause(&peer->client,
                       !ready || peer->at_work != 0 || peer->client.outbox.bytes > 0);
}

static void peer_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct manager_peer *peer = data;
    GDBusConnection *connection = g_dbus_connection_new_finish(result, NULL);

    (void)source;
    peer->connecting = false;
    if (!connection || peer->ended) {
        g_clear_object(&connection);
        peer->ended = false;
        peer_end(peer);
        return;
    }
    peer->connection = connection;
    g_object_set_data(G_OBJECT(connection), PEER_USER, GSIZE_TO_POINTER((gsize)peer->uid + 1));
    peer->events.begun(peer->events.data, connection);
    g_dbus_connection_start_message_processing(connection);
    peer_balance(peer);
}

static void peer_gdbus_event(void *data, enum framing_event event);

/* GDBus gets its end of a socket pair. It is a server that its own process greets. */
static bool peer_connect(struct manager_peer *peer)
{
    const int on = 1;
    g_autofree char *id = g_dbus_generate_guid();
    g_autoptr(GSocketConnection) stream = NULL;
    g_autoptr(GSocket) socket = NULL;
    char greeting[MANAGER_GREETING_MAX];
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return false;
    /* With this the kernel says who sends, before GDBus asks for that. */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    endpoint_init(&peer->gdbus, pair[0], peer->from_gdbus, sizeof(peer->from_gdbus),
                  &(struct endpoint_events){peer_gdbus_event, peer_balance, peer_broken, peer});
    socket = g_socket_new_from_fd(pair[1], NULL);
    if (!socket) {
        close(pair[1]);
        return false;
    }
    stream = g_socket_connection_factory_create_connection(socket);
    endpoint_send(&peer->gdbus, OUTBOX_URGENT, (const uint8_t *)greeting,
                  manager_greeting_of_gdbus(greeting));
    peer->connecting = true;
    g_dbus_connection_new(G_IO_STREAM(stream), id,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                              | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                          NULL, peer->cancellable, peer_connected, peer);
    return true;
}

/* A line of the authentication. */
static void peer_client_line(struct manager_peer *peer)
{
    const struct framing *framing = &peer->client.framing;
    const char *reply = NULL;

    endpoint_drop_descriptors(&peer->client);
    switch (manager_greeting_line(&peer->greeting, framing->buffer, framing->length, &reply)) {
    case MANAGER_GREETING_REPLY:
        endpoint_send(&peer->client, OUTBOX_URGENT, (const uint8_t *)reply, strlen(reply));
        break;
    case MANAGER_GREETING_BEGUN:
        framing_begin_messages(&peer->client.framing);
        if (!peer_connect(peer))
            peer_end(peer);
        break;
    case MANAGER_GREETING_BROKEN:
        peer_end(peer);
        break;
    }
}

static void peer_send_error(struct manager_peer *peer, uint32_t serial, const char *error,
                            const char *text)
{
    uint8_t bytes[MESSAGE_BUILD_MAX];
    size_t size = message_build_error(bytes, PEER_SERIAL, serial, NULL, error, text);

    endpoint_send(&peer->client, OUTBOX_URGENT, bytes, size);
}

static void peer_client_call(struct manager_peer *peer, const struct message *message, bool whole)
{
    const struct framing *framing = &peer->client.framing;

    if (!whole) {
        peer_send_error(peer, message->serial, "org.freedesktop.DBus.Error.LimitsExceeded",
                        "a message of more than 4096 bytes is longer than any that tabrmd has a "
                        "use for");
    } else if (!message_is_flat(message)) {
        peer_send_error(peer, message->serial, "org.freedesktop.DBus.Error.InvalidArgs",
                        "tabrmd has no method that takes an array, a structure or a variant");
    } else {
        peer->at_work = message->serial;
        endpoint_send(&peer->gdbus, OUTBOX_URGENT, framing->buffer, framing->length);
    }
}

static void peer_client_message(struct manager_peer *peer, bool whole)
{
    const struct framing *framing = &peer->client.framing;
    struct message message;

    endpoint_drop_descriptors(&peer->client);
    if (message_is_silent_call(framing->buffer))
        return;
    if (!message_read(&message, framing->buffer, framing->length))
        peer_end(peer);
    else if (message.type == MESSAGE_CALL)
        peer_client_call(peer, &message, whole);
}

static void peer_client_event(void *data, enum framing_event event)
{
    struct manager_peer *peer = data;

    if (event == FRAMING_LINE)
        peer_client_line(peer);
    else
        peer_client_message(peer, event == FRAMING_MESSAGE);
    peer_balance(peer);
}

static void peer_gdbus_message(struct manager_peer *peer, bool whole)
{
    const struct framing *framing = &peer->gdbus.framing;
    struct message message;

    if (!message_read(&message, framing->buffer, framing->length))
        return;
    if (message.type == MESSAGE_SIGNAL) {
        if (whole && peer->client.outbox.bytes < PEER_BACKLOG)
            endpoint_pass(&peer->gdbus, &peer->client);
        return;
    }
    if (message.reply_serial != peer->at_work)
        return;
    peer->at_work = 0;
    if (whole && message.descriptors == peer->gdbus.count)
        endpoint_pass(&peer->gdbus, &peer->client);
    else
        peer_send_error(peer, message.reply_serial, "org.freedesktop.DBus.Error.LimitsExceeded",
                        whole ? "tabrmd has no descriptors left: try again later"
                              : "tabrmd's answer is too long to be sent");
}

static void peer_gdbus_event(void *data, enum framing_event event)
{
    struct manager_peer *peer = data;

    if (event != FRAMING_LINE)
        peer_gdbus_message(peer, event == FRAMING_MESSAGE);
    else if (++peer->lines == PEER_GDBUS_LINES)
        framing_begin_messages(&peer->gdbus.framing);
    peer_balance(peer);
}

struct manager_peer *manager_peer_new(int fd, uint32_t uid,
                                      const struct manager_peer_events *events)
{
    struct manager_peer *peer = g_new0(struct manager_peer, 1);

    peer->events = *events;
    peer->uid = uid;
    peer->cancellable = g_cancellable_new();
    peer->gdbus.fd = -1;
    manager_greeting_init(&peer->greeting);
    endpoint_init(&peer->client, fd, peer->from_client, sizeof(peer->from_client),
                  &(struct endpoint_events){peer_client_event, peer_balance, peer_broken, peer});
    return peer;
}

void manager_peer_free(struct manager_peer *peer)
{
    if (!peer)
        return;
    peer_end(peer);
    while (peer->connecting)
        g_main_context_iteration(NULL, TRUE);
    if (peer->gone_source)
        g_source_remove(peer->gone_source);
    g_clear_object(&peer->connection);
    g_object_unref(peer->cancellable);
    g_free(peer);
}

bool manager_peer_user(GDBusConnection *connection, uint32_t *uid)
{
    gsize user = GPOINTER_TO_SIZE(g_object_get_data(G_OBJECT(connection), PEER_USER));

    *uid = (uint32_t)(user - 1);
    return user != 0;
}
