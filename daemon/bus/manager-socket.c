/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-socket.h"

#include "base/account.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/share.h"
#include "bus/manager-peer.h"

#include <errno.h>
#include <glib-unix.h>

/* Newcomers before others in the main loop have their turn. */
#define SOCKET_BATCH 4

/* How long nobody is let in when the process has no room for one more, milliseconds. */
#define SOCKET_PAUSE_MS 200

struct socket_place {
    struct manager_peer *peer;
    uint32_t account;
};

struct manager_socket {
    struct listener *listener;
    struct engine *engine;
    struct manager_frontend *frontend;
    GQueue places; /* MANAGER_SOCKET_PEERS at the most, so that all can be looked at */
    guint source, pause;
};

static gboolean socket_readable(gint descriptor, GIOCondition condition, gpointer data);

static void socket_watch(struct manager_socket *socket)
{
    socket->source = g_unix_fd_add(listener_fd(socket->listener), G_IO_IN, socket_readable, socket);
}

static gboolean socket_pause_ends(gpointer data)
{
    struct manager_socket *socket = data;

    socket->pause = 0;
    socket_watch(socket);
    return G_SOURCE_REMOVE;
}

static bool socket_has_room(const struct manager_socket *socket, uint32_t account)
{
    struct share share =
        share_of(MANAGER_SOCKET_PEERS, MANAGER_SOCKET_ROOT, MANAGER_SOCKET_NEWCOMERS);
    struct share_holdings held = {0};

    for (const GList *link = socket->places.head; link; link = link->next) {
        const struct socket_place *place = link->data;

        held.root += place->account == ACCOUNT_ROOT;
        held.others += place->account != ACCOUNT_ROOT;
        held.own += place->account == account;
    }
    return account == ACCOUNT_ROOT ? share_has_for_root(&share, &held)
                                   : share_has_for(&share, &held);
}

static void socket_peer_begun(void *data, GDBusConnection *connection)
{
    struct manager_socket *socket = data;

    manager_frontend_export(socket->frontend, connection);
}

static void socket_peer_ended(void *data, GDBusConnection *connection)
{
    struct manager_socket *socket = data;

    manager_frontend_unexport(socket->frontend, connection);
}

static void socket_peer_gone(void *data, struct manager_peer *peer)
{
    struct manager_socket *socket = data;

    for (GList *link = socket->places.head; link; link = link->next) {
        struct socket_place *place = link->data;

        if (place->peer != peer)
            continue;
        g_queue_delete_link(&socket->places, link);
        g_free(place);
        break;
    }
    manager_peer_free(peer);
}

static void socket_let_in(struct manager_socket *socket, int fd, uint32_t uid)
{
    struct manager_peer_events events = {socket_peer_begun, socket_peer_ended, socket_peer_gone,
                                         socket};
    uint32_t account = engine_account(socket->engine, uid);
    struct socket_place *place;

    if (!socket_has_room(socket, account)) {
        log_event(LOG_EVENT_CONNECTION_REFUSED, log_about_user(account, uid),
                  "connection of user %u to the manager interface refused: it has as many as it "
                  "may; end some of its programs that watch tabrmd",
                  uid);
        descriptors_end(fd);
        return;
    }
    place = g_new(struct socket_place, 1);
    *place = (struct socket_place){manager_peer_new(fd, uid, &events), account};
    g_queue_push_tail(&socket->places, place);
}

static gboolean socket_readable(gint descriptor, GIOCondition condition, gpointer data)
{
    struct manager_socket *socket = data;

    (void)descriptor;
    (void)condition;
    for (unsigned i = 0; i < SOCKET_BATCH; i++) {
        uint32_t uid;
        int fd = listener_accept(socket->listener, &uid);

        if (fd == -EAGAIN)
            return G_SOURCE_CONTINUE;
        if (fd >= 0) {
            socket_let_in(socket, fd, uid);
            continue;
        }
        socket->source = 0;
        socket->pause = g_timeout_add(SOCKET_PAUSE_MS, socket_pause_ends, socket);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

struct manager_socket *manager_socket_new(struct listener *listener, struct engine *engine,
                                          struct manager_frontend *frontend)
{
    struct manager_socket *socket = g_new0(struct manager_socket, 1);

    socket->listener = listener;
    socket->engine = engine;
    socket->frontend = frontend;
    g_queue_init(&socket->places);
    socket_watch(socket);
    return socket;
}

void manager_socket_close(struct manager_socket *socket)
{
    if (socket->source)
        g_source_remove(socket->source);
    if (socket->pause)
        g_source_remove(socket->pause);
    socket->source = socket->pause = 0;
    g_clear_pointer(&socket->listener, listener_free);
}

void manager_socket_free(struct manager_socket *socket)
{
    struct socket_place *place;

    if (!socket)
        return;
    manager_socket_close(socket);
    while ((place = g_queue_pop_head(&socket->places))) {
        manager_peer_free(place->peer);
        g_free(place);
    }
    g_free(socket);
}
