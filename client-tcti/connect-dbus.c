/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The D-Bus module: calls of the daemon's methods, in turn, on a connection of their own to a bus.
 * GLib builds and reads the messages. The connection stays open as long as the TCTI context: the
 * daemon takes Cancel and SetLocality from the very peer that created the connection only.
 */
#include "connect-dbus.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus-socket.h"
#include "deadline.h"

#define DBUS_FIXED_HEADER 16     /* D-Bus specification, "Message Format" */
#define REPLY_MAX_BYTES   65536u /* no message that is meant for us comes near it */

struct connect_dbus_peer {
    int bus;        /* -1 once the bytes on it are out of step or it is closed */
    guint32 serial; /* of the newest call */
    char *daemon;   /* unique name of the daemon that owns the connection */
    guint64 id;     /* of the connection */
};

/* D-Bus errors by the TCTI code that says the same; a name that ends in a dot stands for all that
 * begin with it. */
static const struct {
    const char *name;
    TSS2_RC rc;
} connect_dbus_errors[] = {
    {"com.intel.tss2.Tabrmd.Error.NotImplemented", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {"com.intel.tss2.Tabrmd.Error.NotPermitted", TSS2_TCTI_RC_NOT_PERMITTED},
    {"com.intel.tss2.Tabrmd.Error.Init", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.AccessDenied", TSS2_TCTI_RC_NOT_PERMITTED},
    {"org.freedesktop.DBus.Error.AuthFailed", TSS2_TCTI_RC_NOT_PERMITTED},
    {"org.freedesktop.DBus.Error.Disconnected", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.InvalidArgs", TSS2_TCTI_RC_BAD_VALUE},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.NoMemory", TSS2_TCTI_RC_MEMORY},
    {"org.freedesktop.DBus.Error.NoReply", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.NoServer", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.NotSupported", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {"org.freedesktop.DBus.Error.ServiceUnknown", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.Spawn.", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.TimedOut", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.Timeout", TSS2_TCTI_RC_NO_CONNECTION},
    {"org.freedesktop.DBus.Error.UnknownInterface", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {"org.freedesktop.DBus.Error.UnknownMethod", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {"org.freedesktop.DBus.Error.UnknownObject", TSS2_TCTI_RC_NOT_IMPLEMENTED},
    {"org.freedesktop.systemd1.", TSS2_TCTI_RC_NO_CONNECTION},
};

static TSS2_RC connect_dbus_error(const char *name)
{
    size_t i, length;

    for (i = 0; i < G_N_ELEMENTS(connect_dbus_errors); i++) {
        length = strlen(connect_dbus_errors[i].name);
        if (connect_dbus_errors[i].name[length - 1] == '.'
                ? strncmp(name, connect_dbus_errors[i].name, length) == 0
                : strcmp(name, connect_dbus_errors[i].name) == 0)
            return connect_dbus_errors[i].rc;
    }
    return TSS2_TCTI_RC_GENERAL_FAILURE;
}

static void connect_dbus_drop(struct connect_dbus_peer *peer)
{
    if (peer->bus >= 0)
        close(peer->bus);
    peer->bus = -1;
}

/* A bus that says nothing in time keeps its connection, unless a message was cut; one that broke
 * loses it. Returns IO_ERROR. */
static TSS2_RC connect_dbus_broken(struct connect_dbus_peer *peer, int failed, bool cut, char *why)
{
    snprintf(why, CONNECT_DBUS_WHY, "%s",
             failed == ETIMEDOUT ? "no answer in time; is the daemon stopped or overloaded?"
                                 : strerror(failed));
    if (failed != ETIMEDOUT || cut)
        connect_dbus_drop(peer);
    return TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC connect_dbus_send(struct connect_dbus_peer *peer, GDBusMessage *call,
                                 int64_t deadline, char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree guchar *blob = NULL;
    gsize size = 0;
    int failed;

    /* A serial is never 0. */
    peer->serial = peer->serial == G_MAXUINT32 ? 1 : peer->serial + 1;
    g_dbus_message_set_serial(call, peer->serial);
    blob = g_dbus_message_to_blob(call, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    if (blob == NULL) {
        snprintf(why, CONNECT_DBUS_WHY, "cannot build a D-Bus message: %s", error->message);
        return TSS2_TCTI_RC_GENERAL_FAILURE;
    }
    failed = bus_socket_send(peer->bus, blob, size, deadline);
    return failed == 0 ? TSS2_RC_SUCCESS : connect_dbus_broken(peer, failed, true, why);
}

/* Reads the next message, whatever it is. The caller owns `*message` and the descriptors. */
static TSS2_RC connect_dbus_receive(struct connect_dbus_peer *peer, GDBusMessage **message,
                                    struct bus_socket_fds *fds, int64_t deadline, char *why)
{
    g_autoptr(GError) error = NULL;
    g_autofree guchar *blob = g_malloc(REPLY_MAX_BYTES);
    gssize size;
    size_t done;
    int failed;

    failed = bus_socket_receive(peer->bus, blob, DBUS_FIXED_HEADER, &done, fds, deadline);
    if (failed != 0)
        return connect_dbus_broken(peer, failed, done > 0, why);
    size = g_dbus_message_bytes_needed(blob, DBUS_FIXED_HEADER, &error);
    if (size < DBUS_FIXED_HEADER || (gsize)size > REPLY_MAX_BYTES)
        return connect_dbus_broken(peer, EBADMSG, true, why);
    failed = bus_socket_receive(peer->bus, blob + DBUS_FIXED_HEADER,
                                (size_t)size - DBUS_FIXED_HEADER, &done, fds, deadline);
    if (failed != 0)
        return connect_dbus_broken(peer, failed, true, why);
    *message = g_dbus_message_new_from_blob(blob, (gsize)size,
                                            G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);
    return *message != NULL ? TSS2_RC_SUCCESS : connect_dbus_broken(peer, EBADMSG, true, why);
}

/* Whether `message` answers the newest call. */
static bool connect_dbus_is_reply(const struct connect_dbus_peer *peer, GDBusMessage *message)
{
    GDBusMessageType type = g_dbus_message_get_message_type(message);

    return (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
           && g_dbus_message_get_reply_serial(message) == peer->serial;
}

static TSS2_RC connect_dbus_refused(GDBusMessage *reply, char *why)
{
    const char *name = g_dbus_message_get_error_name(reply);
    const char *text = g_dbus_message_get_arg0(reply);

    name = name != NULL ? name : "error without a name";
    snprintf(why, CONNECT_DBUS_WHY, "%.100s: %.140s", name, text != NULL ? text : "");
    return connect_dbus_error(name);
}

/*
 * Sends `call` and waits for its reply. Everything else that comes meanwhile, the bus's own signals
 * and replies that came too late, is dropped with its descriptors. On success the caller owns the
 * reply, whose body is of `type`, and the descriptors in `fds`.
 */
static TSS2_RC connect_dbus_call(struct connect_dbus_peer *peer, GDBusMessage *call,
                                 const char *type, GDBusMessage **reply, struct bus_socket_fds *fds,
                                 int64_t deadline, char *why)
{
    g_autoptr(GDBusMessage) message = NULL;
    GVariant *body;
    TSS2_RC rc;

    if (peer->bus < 0) {
        snprintf(why, CONNECT_DBUS_WHY, "the connection to the bus is lost");
        return TSS2_TCTI_RC_NO_CONNECTION;
    }
    rc = connect_dbus_send(peer, call, deadline, why);
    while (rc == TSS2_RC_SUCCESS) {
        rc = connect_dbus_receive(peer, &message, fds, deadline, why);
        if (rc != TSS2_RC_SUCCESS || connect_dbus_is_reply(peer, message))
            break;
        bus_socket_fds_close(fds);
        g_clear_object(&message);
        /* Not even a bus that never falls silent holds a call past its deadline. */
        if (deadline_left_ms(deadline) == 0)
            rc = connect_dbus_broken(peer, ETIMEDOUT, false, why);
    }
    if (rc == TSS2_RC_SUCCESS
        && g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_ERROR)
        rc = connect_dbus_refused(message, why);
    if (rc == TSS2_RC_SUCCESS) {
        body = g_dbus_message_get_body(message);
        if (body == NULL || !g_variant_is_of_type(body, G_VARIANT_TYPE(type))) {
            snprintf(why, CONNECT_DBUS_WHY, "a reply of another type than %s", type);
            rc = TSS2_TCTI_RC_MALFORMED_RESPONSE;
        }
    }
    if (rc != TSS2_RC_SUCCESS)
        bus_socket_fds_close(fds);
    else
        *reply = g_steal_pointer(&message);
    return rc;
}

static TSS2_RC connect_dbus_hello(struct connect_dbus_peer *peer, int64_t deadline, char *why)
{
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
    struct bus_socket_fds fds = {0, {0}};
    TSS2_RC rc = connect_dbus_call(peer, call, "(s)", &reply, &fds, deadline, why);

    bus_socket_fds_close(&fds);
    return rc;
}

static TSS2_RC connect_dbus_create(struct connect_dbus_peer *peer, int *fd, const char *bus_name,
                                   int64_t deadline, char *why)
{
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call(
        bus_name, CONNECT_DBUS_PATH, CONNECT_DBUS_INTERFACE, "CreateConnection");
    struct bus_socket_fds fds = {0, {0}};
    const char *sender;
    TSS2_RC rc = connect_dbus_call(peer, call, "(t)", &reply, &fds, deadline, why);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    sender = g_dbus_message_get_sender(reply);
    /* GLib takes any text for a sender, but builds no call to what is no name. */
    if (sender == NULL || !g_dbus_is_unique_name(sender)) {
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
    g_variant_get(g_dbus_message_get_body(reply), "(t)", &peer->id);
    /* The id is a secret between this peer and that daemon: whoever takes the well-known name
     * after it does not get to see it. */
    peer->daemon = g_strdup(sender);
    *fd = fds.fds[0];
    return TSS2_RC_SUCCESS;
}

static void connect_dbus_close(struct connect_dbus_peer *peer)
{
    if (peer == NULL)
        return;
    connect_dbus_drop(peer);
    g_free(peer->daemon);
    g_free(peer);
}

static TSS2_RC connect_dbus_open(struct connect_dbus_peer **peer, int *fd, enum conf_bus bus,
                                 const char *bus_name, int64_t deadline, char *why)
{
    struct connect_dbus_peer *opened = g_new0(struct connect_dbus_peer, 1);
    TSS2_RC rc;

    opened->bus = -1;
    rc = bus_socket_open(&opened->bus, bus, deadline, why, CONNECT_DBUS_WHY);
    if (rc == TSS2_RC_SUCCESS)
        rc = connect_dbus_hello(opened, deadline, why);
    if (rc == TSS2_RC_SUCCESS)
        rc = connect_dbus_create(opened, fd, bus_name, deadline, why);
    if (rc == TSS2_RC_SUCCESS) {
        *peer = opened;
        return rc;
    }
    connect_dbus_close(opened);
    /* What broke while connecting was never there. */
    return rc == TSS2_TCTI_RC_IO_ERROR ? TSS2_TCTI_RC_NO_CONNECTION : rc;
}

/* Calls a method of the daemon that returns `u`. Takes the floating `arguments`. */
static TSS2_RC connect_dbus_ask(struct connect_dbus_peer *peer, const char *method,
                                GVariant *arguments, uint32_t *verdict, int64_t deadline, char *why)
{
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call(peer->daemon, CONNECT_DBUS_PATH,
                                                                  CONNECT_DBUS_INTERFACE, method);
    struct bus_socket_fds fds = {0, {0}};
    TSS2_RC rc;

    g_dbus_message_set_body(call, arguments);
    rc = connect_dbus_call(peer, call, "(u)", &reply, &fds, deadline, why);
    bus_socket_fds_close(&fds);
    if (rc == TSS2_RC_SUCCESS)
        g_variant_get(g_dbus_message_get_body(reply), "(u)", verdict);
    return rc;
}

static TSS2_RC connect_dbus_cancel(struct connect_dbus_peer *peer, uint32_t *verdict,
                                   int64_t deadline, char *why)
{
    return connect_dbus_ask(peer, "Cancel", g_variant_new("(t)", peer->id), verdict, deadline, why);
}

static TSS2_RC connect_dbus_set_locality(struct connect_dbus_peer *peer, uint8_t locality,
                                         uint32_t *verdict, int64_t deadline, char *why)
{
    return connect_dbus_ask(peer, "SetLocality", g_variant_new("(ty)", peer->id, locality), verdict,
                            deadline, why);
}

extern const struct connect_dbus tabrmd_tcti_dbus;

__attribute__((visibility("default"))) const struct connect_dbus tabrmd_tcti_dbus = {
    .abi = CONNECT_DBUS_ABI,
    .open = connect_dbus_open,
    .cancel = connect_dbus_cancel,
    .set_locality = connect_dbus_set_locality,
    .close = connect_dbus_close,
};
