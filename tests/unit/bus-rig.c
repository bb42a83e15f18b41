/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus-rig.h"

#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GUID "0123456789abcdef0123456789abcdef"

/* What comes at all has come by then, on a machine that is busy too; below the test's time limit.
 */
#define WAIT_S 60

/* Serials of messages from the bus are the connection's own; these are of none of our calls. */
#define NO_SERIAL 77777

static void connection_made(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source;
    *(GDBusConnection **)data = g_dbus_connection_new_finish(result, NULL);
    assert_non_null(*(GDBusConnection **)data);
}

static GIOStream *stream_of(int fd)
{
    GSocket *socket = g_socket_new_from_fd(fd, NULL);
    GIOStream *stream = G_IO_STREAM(g_socket_connection_factory_create_connection(socket));

    g_object_unref(socket);
    return stream;
}

/* A list with the writing end of a pipe, whose reading end is *reader. */
GUnixFDList *bus_rig_pipe(int *reader)
{
    GUnixFDList *list = g_unix_fd_list_new();
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_true(g_unix_fd_list_append(list, ends[1], NULL) >= 0);
    close(ends[1]);
    *reader = ends[0];
    return list;
}

unsigned bus_rig_count_descriptors(GDBusMessage *message)
{
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(message);

    return list ? (unsigned)g_unix_fd_list_get_length(list) : 0;
}

/* Worker thread of the connection; the main loop looks at the results under a lock. */
static GMutex lock;

/* What a bus says of a sender beside much else. */
static GDBusMessage *credentials(GDBusMessage *question, size_t count)
{
    static const uint32_t groups[2000] = {BUS_RIG_GROUP, 7};
    GDBusMessage *reply = g_dbus_message_new_method_reply(question);
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&all, "{sv}", "UnixUserID", g_variant_new_uint32(BUS_RIG_UID));
    g_variant_builder_add(&all, "{sv}", "ProcessID", g_variant_new_uint32(BUS_RIG_PID));
    g_variant_builder_add(&all, "{sv}", "LinuxSecurityLabel", g_variant_new_bytestring("label"));
    g_variant_builder_add(
        &all, "{sv}", "UnixGroupIDs",
        g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, groups, count, sizeof(groups[0])));
    g_dbus_message_set_body(reply, g_variant_new("(a{sv})", &all));
    return reply;
}

static uint32_t user_of(const char *name)
{
    if (g_str_equal(name, BUS_RIG_OTHER))
        return BUS_RIG_OTHER_UID;
    return g_str_equal(name, BUS_RIG_GROUPS) ? BUS_RIG_GROUPS_UID : BUS_RIG_UID;
}

static GDBusMessage *bus_gets(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                              gpointer data)
{
    struct bus_rig *rig = data;
    GDBusMessage *reply = NULL;

    if (!incoming)
        return message;
    g_mutex_lock(&lock);
    if (g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL) {
        if (g_strcmp0(g_dbus_message_get_signature(message), "ay") == 0) {
            rig->large += BUS_RIG_LARGE;
            g_object_unref(message);
        } else {
            g_queue_push_tail(&rig->answers, message);
        }
    } else {
        if (g_str_equal(g_dbus_message_get_member(message), "GetConnectionUnixUser")) {
            const char *name;

            g_variant_get(g_dbus_message_get_body(message), "(&s)", &name);
            rig->users++;
            reply = g_dbus_message_new_method_reply(message);
            g_dbus_message_set_body(reply, g_variant_new("(u)", user_of(name)));
        } else if (g_str_equal(g_dbus_message_get_member(message), "GetConnectionCredentials")) {
            const char *name;

            g_variant_get(g_dbus_message_get_body(message), "(&s)", &name);
            rig->queries++;
            reply = g_str_equal(name, BUS_RIG_OTHER)
                        ? g_dbus_message_new_method_error(
                            message, "org.freedesktop.DBus.Error.UnknownMethod", "an old bus")
                        : credentials(message, g_str_equal(name, BUS_RIG_GROUPS) ? 2000 : 2);
        } else if (g_str_equal(g_dbus_message_get_member(message), "Ping")) {
            rig->ping = g_dbus_message_get_serial(message);
        } else if (g_str_equal(g_dbus_message_get_member(message), "AddMatch")
                   && rig->queries == 0) {
            g_variant_get(g_dbus_message_get_body(message), "(s)", &rig->rule);
        } else if (g_str_equal(g_dbus_message_get_member(message), "Inhibit")) {
            int reader;
            GUnixFDList *list = bus_rig_pipe(&reader);

            close(reader);
            reply = g_dbus_message_new_method_reply(message);
            g_dbus_message_set_unix_fd_list(reply, list);
            g_object_unref(list);
        }
        g_object_unref(message);
    }
    if (reply) {
        g_dbus_message_set_sender(reply, BUS_RIG_BUS);
        g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
    }
    g_clear_object(&reply);
    g_mutex_unlock(&lock);
    g_main_context_wakeup(NULL);
    return NULL;
}

static GVariant *large_body(void)
{
    static const uint8_t bytes[BUS_RIG_LARGE];
    GVariant *array = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, BUS_RIG_LARGE, 1);

    return g_variant_new_tuple(&array, 1);
}

/* Answers a call of Large with much, and each other one but one of Keep with a descriptor. */
static gboolean daemon_answers(gpointer data)
{
    GDBusMessage *message = data, *reply;
    struct bus_rig *rig = g_object_get_data(G_OBJECT(message), "rig");
    GBytes *groups = NULL;
    GUnixFDList *list;
    int reader;

    rig->calls++;
    rig->known = proxy_user(rig->proxy, g_dbus_message_get_sender(message),
                            g_dbus_message_get_serial(message), &rig->uid, &groups);
    rig->pid = proxy_pid(rig->proxy, g_dbus_message_get_sender(message),
                         g_dbus_message_get_serial(message));
    rig->group = groups ? *(const uint32_t *)g_bytes_get_data(groups, NULL) : 0;
    rig->descriptors = bus_rig_count_descriptors(message);
    if (g_str_equal(g_dbus_message_get_member(message), "Large")) {
        reply = g_dbus_message_new_method_reply(message);
        g_dbus_message_set_body(reply, large_body());
        g_dbus_connection_send_message(rig->daemon, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
        g_object_unref(reply);
    } else if (!g_str_equal(g_dbus_message_get_member(message), "Keep")) {
        reply = g_dbus_message_new_method_reply(message);
        list = bus_rig_pipe(&reader);
        g_dbus_message_set_unix_fd_list(reply, list);
        g_dbus_connection_send_message(rig->daemon, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
        close(reader);
        g_object_unref(list);
        g_object_unref(reply);
    }
    g_object_unref(message);
    return G_SOURCE_REMOVE;
}

static GDBusMessage *daemon_gets(GDBusConnection *connection, GDBusMessage *message,
                                 gboolean incoming, gpointer data)
{
    struct bus_rig *rig = data;

    (void)connection;
    if (!incoming)
        return message;
    if (g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL) {
        g_object_set_data(G_OBJECT(message), "rig", rig);
        g_idle_add(daemon_answers, message);
        return NULL;
    }
    g_mutex_lock(&lock);
    rig->others++;
    g_mutex_unlock(&lock);
    return message;
}

static void left(void *data, const char *name)
{
    struct bus_rig *rig = data;

    g_free(rig->left);
    rig->left = g_strdup(name);
}

static bool are_connected(const void *data)
{
    const struct bus_rig *rig = data;

    return rig->bus && rig->daemon;
}

int bus_rig_set_up(void **state)
{
    struct bus_rig *rig = g_new0(struct bus_rig, 1);
    GIOStream *theirs, *ours, *inner = NULL;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    theirs = stream_of(pair[0]);
    ours = stream_of(pair[1]);
    rig->proxy = proxy_new(ours, left, rig, &inner, NULL);
    assert_non_null(rig->proxy);
    g_dbus_connection_new(theirs, GUID,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                              | G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS,
                          NULL, NULL, connection_made, &rig->bus);
    g_dbus_connection_new(inner, NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
                          connection_made, &rig->daemon);
    g_object_unref(theirs);
    g_object_unref(ours);
    g_object_unref(inner);
    bus_rig_wait(are_connected, rig);
    g_dbus_connection_add_filter(rig->bus, bus_gets, rig, NULL);
    g_dbus_connection_add_filter(rig->daemon, daemon_gets, rig, NULL);
    *state = rig;
    return 0;
}

int bus_rig_tear_down(void **state)
{
    struct bus_rig *rig = *state;

    proxy_drain(rig->proxy, 1000);
    proxy_free(rig->proxy);
    g_dbus_connection_close_sync(rig->daemon, NULL, NULL);
    g_dbus_connection_close_sync(rig->bus, NULL, NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_object_unref(rig->daemon);
    g_object_unref(rig->bus);
    g_queue_clear_full(&rig->answers, g_object_unref);
    g_clear_object(&rig->answer);
    g_free(rig->rule);
    g_free(rig->left);
    g_free(rig);
    return 0;
}

void bus_rig_send(struct bus_rig *rig, GDBusMessage *message, const char *sender)
{
    g_dbus_message_set_sender(message, sender);
    assert_true(g_dbus_connection_send_message(rig->bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                               NULL, NULL));
    g_object_unref(message);
}

GDBusMessage *bus_rig_call(const char *method)
{
    return g_dbus_message_new_method_call("com.intel.tss2.Tabrmd", "/path", "an.interface", method);
}

static gboolean is_late(gpointer data)
{
    *(bool *)data = true;
    return G_SOURCE_CONTINUE;
}

static bool is_met(bus_rig_met_fn *met, const void *data)
{
    bool result;

    g_mutex_lock(&lock);
    result = met(data);
    g_mutex_unlock(&lock);
    return result;
}

void bus_rig_wait(bus_rig_met_fn *met, const void *data)
{
    bool late = false;
    guint timer = g_timeout_add_seconds(WAIT_S, is_late, &late);

    while (!is_met(met, data) && !late)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    assert_false(late);
}

static bool has_answer(const void *data)
{
    const struct bus_rig *rig = data;

    return rig->answers.length > 0;
}

bool bus_rig_is_closed(const void *data)
{
    const struct bus_rig *rig = data;

    return g_dbus_connection_is_closed(rig->daemon);
}

bool bus_rig_is_answered_or_closed(const void *data)
{
    return has_answer(data) || bus_rig_is_closed(data);
}

bool bus_rig_is_asked(const void *data)
{
    const struct bus_rig *rig = data;

    return rig->ping != 0;
}

GDBusMessage *bus_rig_next_answer(struct bus_rig *rig)
{
    bus_rig_wait(has_answer, rig);
    g_clear_object(&rig->answer);
    g_mutex_lock(&lock);
    rig->answer = g_queue_pop_head(&rig->answers);
    g_mutex_unlock(&lock);
    return rig->answer;
}

GDBusMessage *bus_rig_reply(void)
{
    GDBusMessage *call = bus_rig_call("Call"), *reply;

    g_dbus_message_set_serial(call, NO_SERIAL);
    reply = g_dbus_message_new_method_reply(call);
    g_object_unref(call);
    return reply;
}

void bus_rig_tell(struct bus_rig *rig, const char *sender, const char *name, const char *owner)
{
    GDBusMessage *signal = g_dbus_message_new_signal("/path", BUS_RIG_BUS, "NameOwnerChanged");

    g_dbus_message_set_body(signal, g_variant_new("(sss)", name, ":1.7", owner));
    bus_rig_send(rig, signal, sender);
}
