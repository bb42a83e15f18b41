/* SPDX-License-Identifier: BSD-2-Clause */
/* The proxy between the bus and GDBus, both of which are GDBus connections of the test's. */
#include "bus/proxy.h"

#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GUID "0123456789abcdef0123456789abcdef"
#define BUS  "org.freedesktop.DBus"
#define UID  4711

/* Serials of messages from the bus are the connection's own; these are of none of our calls. */
#define NO_SERIAL 77777

struct rig {
    GDBusConnection *bus, *daemon;
    struct proxy *proxy;
    unsigned queries; /* of users */
    char *rule;       /* for signals, that was asked for before the first query */
    char *left;       /* who left last */
    /* Of what the daemon's side got: */
    unsigned calls, others;
    uint32_t uid; /* of the call that came last */
    bool known;
    unsigned descriptors;
    /* The answer that the bus's side got last. */
    GDBusMessage *answer;
};

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
static GUnixFDList *pipe_list(int *reader)
{
    GUnixFDList *list = g_unix_fd_list_new();
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_true(g_unix_fd_list_append(list, ends[1], NULL) >= 0);
    close(ends[1]);
    *reader = ends[0];
    return list;
}

static unsigned count_descriptors(GDBusMessage *message)
{
    GUnixFDList *list = g_dbus_message_get_unix_fd_list(message);

    return list ? (unsigned)g_unix_fd_list_get_length(list) : 0;
}

/* Worker thread of the connection; the main loop looks at the results under a lock. */
static GMutex lock;

static GDBusMessage *bus_gets(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                              gpointer data)
{
    struct rig *rig = data;
    GDBusMessage *reply = NULL;

    if (!incoming)
        return message;
    g_mutex_lock(&lock);
    if (g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL) {
        g_clear_object(&rig->answer);
        rig->answer = message;
    } else {
        if (g_str_equal(g_dbus_message_get_member(message), "GetConnectionUnixUser")) {
            rig->queries++;
            reply = g_dbus_message_new_method_reply(message);
            g_dbus_message_set_body(reply, g_variant_new("(u)", UID));
        } else if (g_str_equal(g_dbus_message_get_member(message), "AddMatch")
                   && rig->queries == 0) {
            g_variant_get(g_dbus_message_get_body(message), "(s)", &rig->rule);
        } else if (g_str_equal(g_dbus_message_get_member(message), "Inhibit")) {
            int reader;
            GUnixFDList *list = pipe_list(&reader);

            close(reader);
            reply = g_dbus_message_new_method_reply(message);
            g_dbus_message_set_unix_fd_list(reply, list);
            g_object_unref(list);
        }
        g_object_unref(message);
    }
    if (reply) {
        g_dbus_message_set_sender(reply, BUS);
        g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
    }
    g_clear_object(&reply);
    g_mutex_unlock(&lock);
    g_main_context_wakeup(NULL);
    return NULL;
}

/* Answers each call but one of Keep with a descriptor. */
static gboolean daemon_answers(gpointer data)
{
    GDBusMessage *message = data, *reply;
    struct rig *rig = g_object_get_data(G_OBJECT(message), "rig");
    GUnixFDList *list;
    int reader;

    rig->calls++;
    rig->known = proxy_user(rig->proxy, g_dbus_message_get_sender(message),
                            g_dbus_message_get_serial(message), &rig->uid);
    rig->descriptors = count_descriptors(message);
    if (!g_str_equal(g_dbus_message_get_member(message), "Keep")) {
        reply = g_dbus_message_new_method_reply(message);
        list = pipe_list(&reader);
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
    struct rig *rig = data;

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
    struct rig *rig = data;

    g_free(rig->left);
    rig->left = g_strdup(name);
}

static int set_up(void **state)
{
    struct rig *rig = g_new0(struct rig, 1);
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
    while (!rig->bus || !rig->daemon)
        g_main_context_iteration(NULL, TRUE);
    g_dbus_connection_add_filter(rig->bus, bus_gets, rig, NULL);
    g_dbus_connection_add_filter(rig->daemon, daemon_gets, rig, NULL);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    proxy_drain(rig->proxy, 1000);
    proxy_free(rig->proxy);
    g_dbus_connection_close_sync(rig->daemon, NULL, NULL);
    g_dbus_connection_close_sync(rig->bus, NULL, NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_object_unref(rig->daemon);
    g_object_unref(rig->bus);
    g_clear_object(&rig->answer);
    g_free(rig->rule);
    g_free(rig->left);
    g_free(rig);
    return 0;
}

static void bus_sends(struct rig *rig, GDBusMessage *message, const char *sender)
{
    g_dbus_message_set_sender(message, sender);
    assert_true(g_dbus_connection_send_message(rig->bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                               NULL, NULL));
    g_object_unref(message);
}

static GDBusMessage *a_call(const char *method)
{
    return g_dbus_message_new_method_call("com.intel.tss2.Tabrmd", "/path", "an.interface", method);
}

static bool has_answer(struct rig *rig)
{
    bool has;

    g_mutex_lock(&lock);
    has = rig->answer != NULL;
    g_mutex_unlock(&lock);
    return has;
}

/* The answer to what was sent last; freed by the rig. */
static GDBusMessage *next_answer(struct rig *rig)
{
    while (!has_answer(rig))
        g_main_context_iteration(NULL, TRUE);
    return rig->answer;
}

static void test_R52_a_call_and_its_descriptors_pass(void **state)
{
    struct rig *rig = *state;

    bus_sends(rig, a_call("Call"), ":1.7");
    assert_int_equal(count_descriptors(next_answer(rig)), 1);
    assert_true(rig->known);
    assert_int_equal(rig->uid, UID);
    g_clear_object(&rig->answer);
    bus_sends(rig, a_call("Call"), ":1.7");
    next_answer(rig);
    assert_int_equal(rig->calls, 2);
    assert_int_equal(rig->queries, 1);
}

/* Of a caller they are closed: nobody has the writing end of the pipe any more. */
static void test_R52_descriptors_of_a_caller_do_not_pass(void **state)
{
    struct rig *rig = *state;
    GDBusMessage *call = a_call("Call");
    GUnixFDList *list;
    char byte;
    int reader;

    list = pipe_list(&reader);
    g_dbus_message_set_unix_fd_list(call, list);
    g_object_unref(list);
    bus_sends(rig, call, ":1.7");
    next_answer(rig);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->descriptors, 0);
    assert_int_equal(read(reader, &byte, 1), 0);
    close(reader);
}

static void called(GObject *source, GAsyncResult *result, gpointer data)
{
    GUnixFDList *list = NULL;
    GVariant *reply = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source),
                                                                      &list, result, NULL);

    assert_non_null(reply);
    g_variant_unref(reply);
    *(int *)data = list ? g_unix_fd_list_get_length(list) : 0;
    g_clear_object(&list);
}

static void test_R52_a_reply_passes_with_its_descriptors(void **state)
{
    struct rig *rig = *state;
    int count = -1;

    g_dbus_connection_call_with_unix_fd_list(rig->daemon, NULL, "/path", "an.interface", "Inhibit",
                                             NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL,
                                             called, &count);
    while (count < 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(count, 1);
}

static GDBusMessage *a_reply(void)
{
    GDBusMessage *call = a_call("Call"), *reply;

    g_dbus_message_set_serial(call, NO_SERIAL);
    reply = g_dbus_message_new_method_reply(call);
    g_object_unref(call);
    return reply;
}

static void test_R52_what_nobody_has_a_use_for_does_not_pass(void **state)
{
    struct rig *rig = *state;
    GDBusMessage *silent = a_call("Call");

    g_dbus_message_set_flags(silent, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    bus_sends(rig, silent, ":1.7");
    bus_sends(rig, a_reply(), ":1.7");
    bus_sends(rig, a_reply(), BUS);
    bus_sends(rig, g_dbus_message_new_signal("/path", "an.interface", "Signal"), ":1.7");
    bus_sends(rig, g_dbus_message_new_signal("/path", BUS, "NameAcquired"), BUS);
    bus_sends(
        rig,
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep"),
        ":1.3");
    bus_sends(rig, a_call("Call"), ":1.7");
    next_answer(rig);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->others, 2);
}

/* What the bus delivers for a rule has no destination; what has one comes from anybody, and in any
 * number. */
static void test_R52_a_signal_to_the_daemon_alone_does_not_pass(void **state)
{
    struct rig *rig = *state;
    GDBusMessage *signal =
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep");

    g_dbus_message_set_destination(signal, ":1.1");
    bus_sends(rig, signal, ":1.7");
    bus_sends(rig, a_call("Call"), ":1.7");
    next_answer(rig);
    assert_int_equal(rig->others, 0);
}

/* A body of one value, nested deeper than GDBus reads. */
static GVariant *deep_body(void)
{
    GVariant *value = g_variant_new_byte(7);

    for (unsigned i = 0; i < 70; i++)
        value = g_variant_new_variant(value);
    return g_variant_new_tuple(&value, 1);
}

static void test_R52_what_gdbus_cannot_read_does_not_pass(void **state)
{
    struct rig *rig = *state;
    GDBusMessage *call = a_call("Call"), *signal;
    const char *error;

    signal =
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep");
    g_dbus_message_set_body(signal, deep_body());
    bus_sends(rig, signal, ":1.7");
    g_dbus_message_set_body(call, deep_body());
    bus_sends(rig, call, ":1.7");
    while (!has_answer(rig) && !g_dbus_connection_is_closed(rig->daemon))
        g_main_context_iteration(NULL, TRUE);
    assert_false(g_dbus_connection_is_closed(rig->daemon));
    error = g_dbus_message_get_error_name(next_answer(rig));
    assert_string_equal(error, "org.freedesktop.DBus.Error.InvalidArgs");
    g_clear_object(&rig->answer);
    bus_sends(rig, a_call("Call"), ":1.7");
    next_answer(rig);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->others, 0);
}

static void bus_tells(struct rig *rig, const char *sender, const char *name, const char *owner)
{
    GDBusMessage *signal = g_dbus_message_new_signal("/path", BUS, "NameOwnerChanged");

    g_dbus_message_set_body(signal, g_variant_new("(sss)", name, ":1.7", owner));
    bus_sends(rig, signal, sender);
}

/* GDBus has no part in it. */
static void test_R52_a_sender_that_leaves_is_told_of(void **state)
{
    struct rig *rig = *state;

    bus_sends(rig, a_call("Call"), ":1.7");
    next_answer(rig);
    assert_non_null(rig->rule);
    assert_non_null(strstr(rig->rule, "member='NameOwnerChanged',arg2=''"));
    bus_tells(rig, BUS, ":1.7", "");
    bus_tells(rig, BUS, ":1.8", ":1.8");
    bus_tells(rig, BUS, "a.name", "");
    bus_tells(rig, ":1.9", ":1.9", "");
    g_clear_object(&rig->answer);
    bus_sends(rig, a_call("Call"), ":1.8");
    next_answer(rig);
    assert_string_equal(rig->left, ":1.7");
    assert_int_equal(rig->others, 2);
}

static void test_R52_calls_above_a_users_bound_are_refused(void **state)
{
    struct rig *rig = *state;
    const char *error;

    /* All are the user's that the test's bus tells, whoever sends them. */
    for (unsigned i = 0; i < 4 + 32 + 1; i++)
        bus_sends(rig, a_call("Keep"), i % 2 ? ":1.7" : ":1.8");
    error = g_dbus_message_get_error_name(next_answer(rig));
    assert_string_equal(error, "com.intel.tss2.Tabrmd.Error.General");
    while (rig->calls < 4)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(rig->calls, 4);
}

/* Both sides see the end when one of them has it. */
static void test_R52_the_end_of_one_side_is_the_others(void **state)
{
    struct rig *rig = *state;

    g_dbus_connection_close_sync(rig->bus, NULL, NULL);
    while (!g_dbus_connection_is_closed(rig->daemon))
        g_main_context_iteration(NULL, TRUE);
}

#define proxy_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        proxy_test(test_R52_a_call_and_its_descriptors_pass),
        proxy_test(test_R52_descriptors_of_a_caller_do_not_pass),
        proxy_test(test_R52_a_reply_passes_with_its_descriptors),
        proxy_test(test_R52_what_nobody_has_a_use_for_does_not_pass),
        proxy_test(test_R52_a_signal_to_the_daemon_alone_does_not_pass),
        proxy_test(test_R52_what_gdbus_cannot_read_does_not_pass),
        proxy_test(test_R52_a_sender_that_leaves_is_told_of),
        proxy_test(test_R52_calls_above_a_users_bound_are_refused),
        proxy_test(test_R52_the_end_of_one_side_is_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
