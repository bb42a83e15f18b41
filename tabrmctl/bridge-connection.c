/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge-connection.h"

#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Descriptors that one message may bring; what is more is closed by the kernel. */
#define BRIDGE_PASSED_MAX 4

enum bridge_state {
    BRIDGE_READING, /* for the rest of a request */
    BRIDGE_LOOKING, /* there may be a request in what was read */
    BRIDGE_WAITING, /* for a response of the TPM */
    BRIDGE_WRITING, /* the rest of a reply */
};

struct bridge_connection {
    struct bridge_hub *hub;
    int fd, passed; /* the socket; a descriptor that came along, or -1 */
    guint source;
    enum bridge_state state;
    bool control;
    struct bridge_link *link; /* NULL until the first command */
    struct bridge_link_user user;
    struct bridge_connection *data; /* of a control channel: the channel that came along, or NULL */
    int locality;                   /* of a channel that came along, or -1: it is the hub's */
    struct bridge_request request;
    size_t have, written, reply_size;
    uint8_t input[BRIDGE_REQUEST_MAX];
    uint8_t reply[BRIDGE_REPLY_MAX];
};

static void bridge_connection_look(struct bridge_connection *connection);

static void bridge_connection_free(struct bridge_connection *connection)
{
    struct bridge_hub *hub = connection->hub;

    hub->connections = g_list_remove(hub->connections, connection);
    hub->count--;
    for (GList *at = hub->connections; at; at = at->next) {
        struct bridge_connection *other = at->data;

        if (other->data == connection)
            other->data = NULL;
    }
    if (connection->link)
        bridge_link_leave(connection->link, &connection->user);
    bridge_link_unref(connection->link);
    if (connection->source)
        g_source_remove(connection->source);
    if (connection->passed >= 0)
        close(connection->passed);
    close(connection->fd);
    explicit_bzero(connection, sizeof(*connection));
    g_free(connection);
    if (hub->fewer)
        hub->fewer(hub);
}

/* Adds what a message brought beside its bytes; one descriptor is kept. */
static void bridge_connection_take(struct bridge_connection *connection, struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int fds[BRIDGE_PASSED_MAX];

    for (; control; control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        memcpy(fds, CMSG_DATA(control), MIN(count, BRIDGE_PASSED_MAX) * sizeof(int));
        for (size_t i = 0; i < MIN(count, BRIDGE_PASSED_MAX); i++) {
            if (connection->control && connection->passed < 0)
                connection->passed = fds[i];
            else
                close(fds[i]);
        }
    }
}

/* False when the program is gone. */
static bool bridge_connection_read(struct bridge_connection *connection)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(BRIDGE_PASSED_MAX * sizeof(int))];
    } control;
    struct iovec piece = {connection->input + connection->have,
                          sizeof(connection->input) - connection->have};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    bridge_connection_take(connection, &message);
    connection->have += (size_t)got;
    if (got > 0)
        connection->state = BRIDGE_LOOKING;
    return got > 0;
}

/* Writes what it can of the reply. False when the program is gone. */
static bool bridge_connection_write(struct bridge_connection *connection)
{
    ssize_t sent = send(connection->fd, connection->reply + connection->written,
                        connection->reply_size - connection->written, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->written += (size_t)sent;
    if (connection->written == connection->reply_size) {
        explicit_bzero(connection->reply, connection->reply_size);
        connection->state = connection->have > 0 ? BRIDGE_LOOKING : BRIDGE_READING;
    }
    return true;
}

static gboolean bridge_connection_event(gint fd, GIOCondition condition, gpointer data)
{
    struct bridge_connection *connection = data;
    bool alive = true;

    (void)fd;
    connection->source = 0;
    switch (connection->state) {
    case BRIDGE_READING:
        alive = bridge_connection_read(connection);
        break;
    case BRIDGE_LOOKING:
        break;
    case BRIDGE_WAITING:
        alive = !(condition & (G_IO_HUP | G_IO_ERR));
        break;
    case BRIDGE_WRITING:
        alive = bridge_connection_write(connection);
        break;
    }
    if (alive)
        bridge_connection_look(connection);
    else
        bridge_connection_free(connection);
    return G_SOURCE_REMOVE;
}

/* Watches for what the state goes on with. The next request is looked at when there is room for
 * its reply. */
static void bridge_connection_watch(struct bridge_connection *connection)
{
    static const GIOCondition conditions[] = {
        [BRIDGE_READING] = G_IO_IN | G_IO_HUP | G_IO_ERR,
        [BRIDGE_LOOKING] = G_IO_OUT | G_IO_HUP | G_IO_ERR,
        [BRIDGE_WAITING] = G_IO_HUP | G_IO_ERR,
        [BRIDGE_WRITING] = G_IO_OUT | G_IO_HUP | G_IO_ERR,
    };

    if (connection->source)
        g_source_remove(connection->source);
    connection->source = g_unix_fd_add(connection->fd, conditions[connection->state],
                                       bridge_connection_event, connection);
}

/* The request that was looked at is done with. */
static void bridge_connection_consume(struct bridge_connection *connection)
{
    size_t size = connection->request.size;

    connection->have -= size;
    memmove(connection->input, connection->input + size, connection->have);
    explicit_bzero(connection->input + connection->have, size);
}

/* A reply is there: it is written as far as it can be, and the rest when there is room. */
static void bridge_connection_reply(struct bridge_connection *connection, size_t size)
{
    bridge_connection_consume(connection);
    connection->reply_size = size;
    connection->written = 0;
    connection->state = BRIDGE_WRITING;
    if (bridge_connection_write(connection))
        bridge_connection_watch(connection);
    else
        bridge_connection_free(connection);
}

static void bridge_connection_reply_bytes(struct bridge_connection *connection,
                                          const uint8_t *bytes, size_t size)
{
    memcpy(connection->reply, bytes, size);
    bridge_connection_reply(connection, size);
}

static void bridge_connection_done(struct bridge_connection *connection, bool good)
{
    const struct bridge_request *request = &connection->request;

    bridge_connection_reply_bytes(connection, good ? request->reply : request->refusal,
                                  good ? request->reply_size : request->refusal_size);
}

static void bridge_connection_turn(struct bridge_link_user *user)
{
    struct bridge_connection *connection =
        (void *)((char *)user - offsetof(struct bridge_connection, user));
    const struct bridge_request *request = &connection->request;
    uint8_t locality = connection->hub->locality;

    if (request->has_locality)
        locality = request->locality;
    else if (connection->locality >= 0)
        locality = (uint8_t)connection->locality;
    bridge_link_transmit(connection->link, user, request->command, request->command_size, locality);
}

static void bridge_connection_answered(struct bridge_link_user *user, const uint8_t *response,
                                       size_t size)
{
    struct bridge_connection *connection =
        (void *)((char *)user - offsetof(struct bridge_connection, user));

    bridge_connection_reply(connection,
                            connection->hub->protocol->wrap(response, size, connection->reply));
}

static void bridge_connection_lost(struct bridge_link_user *user)
{
    bridge_connection_free((void *)((char *)user - offsetof(struct bridge_connection, user)));
}

/* A link for the first command of a connection, or NULL. A channel that came along has its own. One
 * that all share is made anew when it was lost. */
static struct bridge_link *bridge_connection_link(const struct bridge_connection *connection)
{
    struct bridge_hub *hub = connection->hub;

    if (!hub->share || connection->locality >= 0)
        return bridge_link_new(hub->conf);
    if (hub->shared && !bridge_link_alive(hub->shared))
        g_clear_pointer(&hub->shared, bridge_link_unref);
    if (!hub->shared)
        hub->shared = bridge_link_new(hub->conf);
    return hub->shared ? bridge_link_ref(hub->shared) : NULL;
}

static void bridge_connection_command(struct bridge_connection *connection)
{
    if (!connection->link)
        connection->link = bridge_connection_link(connection);
    if (!connection->link) {
        bridge_connection_free(connection);
        return;
    }
    connection->state = BRIDGE_WAITING;
    bridge_connection_watch(connection);
    bridge_link_queue(connection->link, &connection->user);
}

/* Cancels what the connection's own data channel waits for, or else what all wait for. */
static void bridge_connection_cancel(struct bridge_connection *connection)
{
    for (GList *at = connection->hub->connections; at; at = at->next) {
        struct bridge_connection *other = at->data;
        bool meant = connection->data ? other == connection->data : true;

        if (meant && other->state == BRIDGE_WAITING && other->link)
            bridge_link_cancel(other->link);
    }
    bridge_connection_done(connection, true);
}

/* Whether a locality is permitted is asked on a connection to tabrmd that nobody uses. */
static void bridge_connection_set_locality(struct bridge_connection *connection)
{
    struct bridge_hub *hub = connection->hub;
    uint8_t locality = connection->request.locality;
    struct bridge_link *probe = locality == 0 ? NULL : bridge_link_new(hub->conf);
    bool may = locality == 0 || (probe && bridge_link_may(probe, locality));

    bridge_link_unref(probe);
    if (may && connection->data)
        connection->data->locality = locality;
    else if (may)
        hub->locality = locality;
    bridge_connection_done(connection, may);
}

/* The descriptor that came along becomes a channel for commands. */
static void bridge_connection_adopt(struct bridge_connection *connection)
{
    struct bridge_hub *hub = connection->hub;
    struct stat status;
    int fd = connection->passed;
    bool good = fd >= 0 && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)
                && hub->count < BRIDGE_CONNECTIONS_MAX;

    if (good) {
        connection->passed = -1;
        bridge_connection_new(hub, fd, false);
        connection->data = hub->connections->data;
        connection->data->locality = 0;
    }
    bridge_connection_done(connection, good);
}

/* Does what the first request that was read asks for, if it is there whole. */
static void bridge_connection_look(struct bridge_connection *connection)
{
    const struct bridge_protocol *protocol = connection->hub->protocol;

    if (connection->state != BRIDGE_LOOKING) {
        bridge_connection_watch(connection);
        return;
    }
    (connection->control ? protocol->control : protocol->commands)(
        connection->input, connection->have, &connection->request);
    switch (connection->request.action) {
    case BRIDGE_WAIT:
        connection->state = BRIDGE_READING;
        bridge_connection_watch(connection);
        break;
    case BRIDGE_COMMAND:
        bridge_connection_command(connection);
        break;
    case BRIDGE_ANSWER:
        bridge_connection_done(connection, true);
        break;
    case BRIDGE_CANCEL:
        bridge_connection_cancel(connection);
        break;
    case BRIDGE_LOCALITY:
        bridge_connection_set_locality(connection);
        break;
    case BRIDGE_DATA:
        bridge_connection_adopt(connection);
        break;
    case BRIDGE_BAD:
        message_error("a program sent what is no request of the protocol %s, or one over %d bytes; "
                      "its connection is closed",
                      protocol->name, BRIDGE_TPM_MAX);
        bridge_connection_free(connection);
        break;
    case BRIDGE_END:
        bridge_connection_free(connection);
        break;
    }
}

void bridge_connection_new(struct bridge_hub *hub, int fd, bool control)
{
    struct bridge_connection *connection = g_new0(struct bridge_connection, 1);

    *connection = (struct bridge_connection){
        .hub = hub,
        .fd = fd,
        .passed = -1,
        .control = control,
        .locality = -1,
        .state = BRIDGE_READING,
        .user = {.turn = bridge_connection_turn,
                 .answered = bridge_connection_answered,
                 .lost = bridge_connection_lost},
    };
    hub->connections = g_list_prepend(hub->connections, connection);
    hub->count++;
    bridge_connection_watch(connection);
}

static void bridge_connection_end(gpointer connection)
{
    bridge_connection_free(connection);
}

void bridge_connection_end_all(struct bridge_hub *hub)
{
    hub->fewer = NULL;
    g_list_free_full(g_list_copy(hub->connections), bridge_connection_end);
}
