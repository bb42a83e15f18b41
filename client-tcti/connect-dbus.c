/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection stays open as long as the TCTI context: the daemon takes Cancel and SetLocality
 * from the very peer that created the connection only.
 *
 * A daemon can die and another one take its place, with all connections of the first one. On the
 * bus that is another owner of the daemon's name; who created a connection is the same, as long as
 * the bus is. So a call that nobody answered is worth another one to the next owner.
 */
#include "connect-dbus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus-message.h"
#include "bus-socket.h"
#include "deadline.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

/* How often the bus is asked whether somebody has the daemon's name. */
#define CONNECT_DBUS_PAUSE_MS 50

/* Why nobody answered a call, where another call may be answered. */
enum connect_dbus_lack {
    LACK_NOTHING, /* it was answered; or it was not, and another would not be either */
    LACK_REPLY,   /* who got it left the bus before its reply */
    LACK_OWNER,   /* nobody has the name that it went to */
    LACK_BUS,     /* the bus closed the connection to it */
};

struct connect_dbus_peer {
    int bus;                     /* -1 once it is closed or its bytes are out of step */
    bool greeted;                /* its authentication was ended */
    enum connect_dbus_lack lack; /* of the newest call */
    uint32_t serial;             /* of the newest call; 0 before the first */
    uint8_t *bytes;              /* of the newest message that came, or NULL */
    enum conf_bus which;
    char name[BUS_MESSAGE_NAME_MAX + 2];   /* the daemon's, one that is too long included */
    char daemon[BUS_MESSAGE_NAME_MAX + 1]; /* unique name of who has the daemon's connection */
    uint64_t id;                           /* of that connection */
};

/* D-Bus errors and the TCTI code that says the same. A name that ends in a dot stands for all names
 * that begin with it. The names are arrays, because pointers would have to be relocated in every
 * process. */
struct connect_dbus_error {
    char name[44];
    TSS2_RC rc;
    enum connect_dbus_lack lack;
};

static const struct connect_dbus_error connect_dbus_errors[] = {
    {"com.intel.tss2.Tabrmd.Error.NotImplemented", TSS2_TCTI_RC_NOT_IMPLEMENTED, LACK_NOTHING},
    {"com.intel.tss2.Tabrmd.Error.NotPermitted", TSS2_TCTI_RC_NOT_PERMITTED, LACK_NOTHING},
    {"com.intel.tss2.Tabrmd.Error.Init", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.AccessDenied", TSS2_TCTI_RC_NOT_PERMITTED, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.AuthFailed", TSS2_TCTI_RC_NOT_PERMITTED, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.Disconnected", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.InvalidArgs", TSS2_TCTI_RC_BAD_VALUE, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", TSS2_TCTI_RC_NO_CONNECTION, LACK_OWNER},
    {"org.freedesktop.DBus.Error.NoMemory", TSS2_TCTI_RC_MEMORY, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.NoReply", TSS2_TCTI_RC_NO_CONNECTION, LACK_REPLY},
    {"org.freedesktop.DBus.Error.NoServer", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.NotSupported", TSS2_TCTI_RC_NOT_IMPLEMENTED, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.ServiceUnknown", TSS2_TCTI_RC_NO_CONNECTION, LACK_OWNER},
    {"org.freedesktop.DBus.Error.Spawn.", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.TimedOut", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.Timeout", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.UnknownInterface", TSS2_TCTI_RC_NOT_IMPLEMENTED, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.UnknownMethod", TSS2_TCTI_RC_NOT_IMPLEMENTED, LACK_NOTHING},
    {"org.freedesktop.DBus.Error.UnknownObject", TSS2_TCTI_RC_NOT_IMPLEMENTED, LACK_NOTHING},
    {"org.freedesktop.systemd1.", TSS2_TCTI_RC_NO_CONNECTION, LACK_NOTHING},
};

static struct connect_dbus_error connect_dbus_error(const char *name)
{
    size_t i, length;

    for (i = 0; i < sizeof(connect_dbus_errors) / sizeof(connect_dbus_errors[0]); i++) {
        length = strlen(connect_dbus_errors[i].name);
        if (connect_dbus_errors[i].name[length - 1] == '.'
                ? strncmp(name, connect_dbus_errors[i].name, length) == 0
                : strcmp(name, connect_dbus_errors[i].name) == 0)
            return connect_dbus_errors[i];
    }
    return (struct connect_dbus_error){"", TSS2_TCTI_RC_GENERAL_FAILURE, LACK_NOTHING};
}

static void connect_dbus_drop(struct connect_dbus_peer *peer)
{
    if (peer->bus >= 0)
        close(peer->bus);
    peer->bus = -1;
}

/* After a time-out the connection to the bus is kept, unless a message was cut; after any other
 * failure it is closed. Returns IO_ERROR. */
static TSS2_RC connect_dbus_broken(struct connect_dbus_peer *peer, int failed, bool cut, char *why)
{
    snprintf(why, CONNECT_DBUS_WHY, "%s",
             failed == -ETIMEDOUT ? "no answer in time; is the daemon stopped or overloaded?"
                                  : strerror(-failed));
    if (failed != -ETIMEDOUT || cut)
        connect_dbus_drop(peer);
    if (failed == -ECONNRESET || failed == -EPIPE)
        peer->lack = LACK_BUS;
    return TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC connect_dbus_no_memory(char *why)
{
    snprintf(why, CONNECT_DBUS_WHY, "no memory");
    return TSS2_TCTI_RC_MEMORY;
}

static TSS2_RC connect_dbus_send(struct connect_dbus_peer *peer, struct bus_message_call *call,
                                 int64_t deadline, char *why)
{
    uint8_t bytes[BUS_SOCKET_BEGIN_SIZE + BUS_MESSAGE_CALL_MAX] = BUS_SOCKET_BEGIN;
    size_t begin = peer->greeted ? 0 : BUS_SOCKET_BEGIN_SIZE, size;
    int failed;

    /* A serial is never 0. */
    peer->serial = peer->serial == UINT32_MAX ? 1 : peer->serial + 1;
    call->serial = peer->serial;
    size = bus_message_build(bytes + begin, call);
    if (size == 0) {
        snprintf(why, CONNECT_DBUS_WHY, "cannot build a D-Bus message: a name is too long");
        return TSS2_TCTI_RC_GENERAL_FAILURE;
    }
    failed = bus_socket_send(peer->bus, bytes, begin + size, deadline);
    peer->greeted = true;
    return failed == 0 ? TSS2_RC_SUCCESS : connect_dbus_broken(peer, failed, true, why);
}

/* Reads the next message, whatever it is; it points into peer->bytes until the next one. The
 * caller owns the descriptors. */
static TSS2_RC connect_dbus_receive(struct connect_dbus_peer *peer, struct bus_message *message,
                                    struct bus_socket_fds *fds, int64_t deadline, char *why)
{
    uint8_t fixed[BUS_MESSAGE_FIXED_SIZE];
    size_t size, done;
    int failed;

    failed = bus_socket_receive(peer->bus, fixed, sizeof(fixed), &done, fds, deadline);
    if (failed != 0)
        return connect_dbus_broken(peer, failed, done > 0, why);
    size = bus_message_size(fixed);
    if (size == 0)
        return connect_dbus_broken(peer, -EBADMSG, true, why);
    free(peer->bytes);
    peer->bytes = malloc(size);
    if (peer->bytes == NULL) {
        connect_dbus_drop(peer);
        return connect_dbus_no_memory(why);
    }
    memcpy(peer->bytes, fixed, sizeof(fixed));
    failed = bus_socket_receive(peer->bus, peer->bytes + sizeof(fixed), size - sizeof(fixed), &done,
                                fds, deadline);
    if (failed == 0)
        failed = bus_message_read(message, peer->bytes, size);
    return failed == 0 ? TSS2_RC_SUCCESS : connect_dbus_broken(peer, failed, true, why);
}

/* Whether `message` answers the newest call. */
static bool connect_dbus_is_reply(const struct connect_dbus_peer *peer,
                                  const struct bus_message *message)
{
    return (message->type == BUS_MESSAGE_METHOD_RETURN || message->type == BUS_MESSAGE_ERROR)
           && message->reply_serial == peer->serial;
}

static TSS2_RC connect_dbus_refused(struct connect_dbus_peer *peer, const struct bus_message *reply,
                                    char *why)
{
    struct connect_dbus_error error = connect_dbus_error(reply->error_name);

    snprintf(why, CONNECT_DBUS_WHY, "%.100s: %.140s", reply->error_name,
             reply->text != NULL ? reply->text : "");
    peer->lack = error.lack;
    return error.rc;
}

/*
 * Sends `call` and waits for its reply. Everything else that comes meanwhile, the bus's own signals
 * and replies that came too late, is dropped with its descriptors. On success the reply, whose body
 * is of `type`, holds until the next call, and the caller owns the descriptors in `fds`.
 */
static TSS2_RC connect_dbus_call(struct connect_dbus_peer *peer, struct bus_message_call *call,
                                 const char *type, struct bus_message *reply,
                                 struct bus_socket_fds *fds, int64_t deadline, char *why)
{
    TSS2_RC rc;

    if (peer->bus < 0) {
        snprintf(why, CONNECT_DBUS_WHY, "the connection to the bus is lost");
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    peer->lack = LACK_NOTHING;
    rc = connect_dbus_send(peer, call, deadline, why);
    while (rc == TSS2_RC_SUCCESS) {
        rc = connect_dbus_receive(peer, reply, fds, deadline, why);
        if (rc != TSS2_RC_SUCCESS || connect_dbus_is_reply(peer, reply))
            break;
        bus_socket_fds_close(fds);
        /* A bus that sends other messages without pause must not hold a call past its deadline. */
        if (deadline_left_ms(deadline) == 0)
            rc = connect_dbus_broken(peer, -ETIMEDOUT, false, why);
    }
    if (rc == TSS2_RC_SUCCESS && reply->type == BUS_MESSAGE_ERROR) {
        rc = connect_dbus_refused(peer, reply, why);
    } else if (rc == TSS2_RC_SUCCESS && strcmp(reply->signature, type) != 0) {
        snprintf(why, CONNECT_DBUS_WHY, "a reply of another type than (%s)", type);
        rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    if (rc != TSS2_RC_SUCCESS)
        bus_socket_fds_close(fds);
    return rc;
}

/* Calls a method of the bus itself, with a name as its argument or with none. The reply, whose body
 * is of `type`, holds until the next call. */
static TSS2_RC connect_dbus_ask_bus(struct connect_dbus_peer *peer, const char *member,
                                    const char *name, const char *type, struct bus_message *reply,
                                    int64_t deadline, char *why)
{
    struct bus_message_call call = {.destination = BUS_NAME,
                                    .path = BUS_PATH,
                                    .interface = BUS_NAME,
                                    .member = member,
                                    .signature = name != NULL ? "s" : "",
                                    .name = name};
    struct bus_socket_fds fds = {0, {0}};
    TSS2_RC rc = connect_dbus_call(peer, &call, type, reply, &fds, deadline, why);

    bus_socket_fds_close(&fds);
    return rc;
}

/* Connects to the bus and greets it. */
static TSS2_RC connect_dbus_join(struct connect_dbus_peer *peer, int64_t deadline, char *why)
{
    struct bus_message reply;
    int bus = bus_socket_open(peer->which, deadline, why, CONNECT_DBUS_WHY);

    if (bus < 0)
        return bus == -EACCES || bus == -EPERM ? TSS2_TCTI_RC_NOT_PERMITTED
                                               : TSS2_TCTI_RC_NO_CONNECTION;
    peer->bus = bus;
    peer->greeted = false;
    return connect_dbus_ask_bus(peer, "Hello", NULL, "s", &reply, deadline, why);
}

/* Waits until somebody has the daemon's name, whose unique name is then at `owner`; or until `fd`,
 * unless that is -1, is hung up. */
static TSS2_RC connect_dbus_await(struct connect_dbus_peer *peer, int fd,
                                  char owner[BUS_MESSAGE_NAME_MAX + 1], int64_t deadline, char *why)
{
    int64_t pause = DEADLINE_NOW;
    struct bus_message reply;
    TSS2_RC rc;

    for (;;) {
        if (deadline_poll(fd, POLLRDHUP, pause) != -ETIMEDOUT) {
            snprintf(why, CONNECT_DBUS_WHY, "tabrmd has closed the connection");
            return TSS2_TCTI_RC_NO_CONNECTION;
        }
        rc = connect_dbus_ask_bus(peer, "GetNameOwner", peer->name, "s", &reply, deadline, why);
        if (rc == TSS2_RC_SUCCESS)
            break;
        if (peer->lack != LACK_OWNER || deadline_left_ms(deadline) == 0)
            return rc;
        pause = deadline_sooner(deadline, CONNECT_DBUS_PAUSE_MS);
    }
    if (!bus_message_is_unique_name(reply.text)) {
        snprintf(why, CONNECT_DBUS_WHY, "the bus says that nobody has the name %.100s", peer->name);
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    snprintf(owner, BUS_MESSAGE_NAME_MAX + 1, "%s", reply.text);
    return TSS2_RC_SUCCESS;
}

/* Whether the user of `name` on the bus made the connection `fd`. */
static bool connect_dbus_made(struct connect_dbus_peer *peer, int fd, const char *name,
                              int64_t deadline, char *why)
{
    struct ucred maker;
    socklen_t size = sizeof(maker);
    struct bus_message reply;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) != 0
        || connect_dbus_ask_bus(peer, "GetConnectionUnixUser", name, "u", &reply, deadline, why)
               != TSS2_RC_SUCCESS)
        return false;
    if (reply.number == maker.uid)
        return true;
    snprintf(why, CONNECT_DBUS_WHY, "user %u, who did not make the connection, has the name now",
             (unsigned)reply.number);
    return false;
}

/* The id is a secret: a program of another user that takes the daemon's name must not see it. */
bool connect_dbus_find(struct connect_dbus_peer *peer, int fd, int64_t deadline, char *why)
{
    char owner[BUS_MESSAGE_NAME_MAX + 1];

    if (peer->lack == LACK_NOTHING)
        return false;
    if (peer->lack == LACK_BUS && connect_dbus_join(peer, deadline, why) != TSS2_RC_SUCCESS) {
        connect_dbus_drop(peer);
        peer->lack = LACK_BUS;
        return false;
    }
    if (connect_dbus_await(peer, fd, owner, deadline, why) != TSS2_RC_SUCCESS
        || !connect_dbus_made(peer, fd, owner, deadline, why))
        return false;
    memcpy(peer->daemon, owner, sizeof(owner));
    return true;
}

static TSS2_RC connect_dbus_create(struct connect_dbus_peer *peer, int *fd, int64_t deadline,
                                   char *why)
{
    struct bus_message_call call = {.destination = peer->name,
                                    .path = CONNECT_DBUS_PATH,
                                    .interface = CONNECT_DBUS_INTERFACE,
                                    .member = "CreateConnection",
                                    .signature = ""};
    struct bus_socket_fds fds = {0, {0}};
    struct bus_message reply;
    TSS2_RC rc = connect_dbus_call(peer, &call, "t", &reply, &fds, deadline, why);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (reply.sender == NULL || !bus_message_is_unique_name(reply.sender)) {
        snprintf(why, CONNECT_DBUS_WHY, "CreateConnection was answered by nobody on the bus");
        bus_socket_fds_close(&fds);
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    if (fds.count != 1) {
        snprintf(why, CONNECT_DBUS_WHY, "CreateConnection gave %zu descriptors instead of one",
                 fds.count);
        bus_socket_fds_close(&fds);
        return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    }
    /* The id is a secret between this peer and that daemon: a program that takes the well-known
     * name later must not see the id. */
    peer->id = reply.number;
    snprintf(peer->daemon, sizeof(peer->daemon), "%s", reply.sender);
    *fd = fds.fds[0];
    return TSS2_RC_SUCCESS;
}

/* After the death of a daemon: the bus starts it again for the call, or somebody else does. */
static TSS2_RC connect_dbus_create_again(struct connect_dbus_peer *peer, int *fd, int64_t deadline,
                                         char *why)
{
    char owner[BUS_MESSAGE_NAME_MAX + 1];
    TSS2_RC rc = connect_dbus_create(peer, fd, deadline, why);

    if (peer->lack == LACK_OWNER
        && connect_dbus_await(peer, -1, owner, deadline, why) == TSS2_RC_SUCCESS)
        rc = connect_dbus_create(peer, fd, deadline, why);
    return rc;
}

/* A connection whose descriptor did not come is no more when the daemon is. */
static TSS2_RC connect_dbus_create_surely(struct connect_dbus_peer *peer, int *fd, int64_t deadline,
                                          char *why)
{
    TSS2_RC rc = connect_dbus_create(peer, fd, deadline, why);
    unsigned tries;

    for (tries = 1; tries < DEADLINE_CONNECT_TRIES && peer->lack == LACK_REPLY; tries++)
        rc = connect_dbus_create_again(peer, fd, deadline, why);
    return rc;
}

void connect_dbus_share(struct connect_dbus_peer *peer, uint32_t serial, bool whole)
{
    if (!whole && peer->bus >= 0) {
        connect_dbus_drop(peer);
        peer->lack = LACK_NOTHING;
    }
    peer->serial = MAX(peer->serial, serial);
}

bool connect_dbus_shared(const struct connect_dbus_peer *peer, uint32_t *serial)
{
    *serial = peer->serial;
    return peer->bus >= 0 || peer->lack == LACK_BUS;
}

void connect_dbus_close(struct connect_dbus_peer *peer)
{
    if (peer == NULL)
        return;
    connect_dbus_drop(peer);
    free(peer->bytes);
    free(peer);
}

TSS2_RC connect_dbus_open(struct connect_dbus_peer **peer, int *fd, enum conf_bus bus,
                          const char *bus_name, int64_t deadline, char *why)
{
    struct connect_dbus_peer *opened = calloc(1, sizeof(*opened));
    TSS2_RC rc;

    if (opened == NULL)
        return connect_dbus_no_memory(why);
    opened->bus = -1;
    opened->which = bus;
    snprintf(opened->name, sizeof(opened->name), "%s", bus_name);
    rc = connect_dbus_join(opened, deadline, why);
    if (rc == TSS2_RC_SUCCESS)
        rc = connect_dbus_create_surely(opened, fd, deadline, why);
    if (rc == TSS2_RC_SUCCESS) {
        *peer = opened;
        return rc;
    }
    connect_dbus_close(opened);
    /* A connection that breaks while it is made counts as none. */
    return rc == TSS2_TCTI_RC_IO_ERROR ? TSS2_TCTI_RC_NO_CONNECTION : rc;
}

/* Calls a method of the daemon whose first argument is the connection's id, and that returns "u".
 */
static TSS2_RC connect_dbus_ask(struct connect_dbus_peer *peer, struct bus_message_call call,
                                uint32_t *verdict, int64_t deadline, char *why)
{
    struct bus_socket_fds fds = {0, {0}};
    struct bus_message reply;
    TSS2_RC rc;

    call.destination = peer->daemon;
    call.path = CONNECT_DBUS_PATH;
    call.interface = CONNECT_DBUS_INTERFACE;
    call.id = peer->id;
    rc = connect_dbus_call(peer, &call, "u", &reply, &fds, deadline, why);
    bus_socket_fds_close(&fds);
    if (rc == TSS2_RC_SUCCESS)
        *verdict = (uint32_t)reply.number;
    return rc;
}

TSS2_RC connect_dbus_cancel(struct connect_dbus_peer *peer, uint32_t *verdict, int64_t deadline,
                            char *why)
{
    return connect_dbus_ask(peer, (struct bus_message_call){.member = "Cancel", .signature = "t"},
                            verdict, deadline, why);
}

TSS2_RC connect_dbus_set_locality(struct connect_dbus_peer *peer, uint8_t locality,
                                  uint32_t *verdict, int64_t deadline, char *why)
{
    return connect_dbus_ask(
        peer,
        (struct bus_message_call){.member = "SetLocality", .signature = "ty", .locality = locality},
        verdict, deadline, why);
}
