/* SPDX-License-Identifier: BSD-2-Clause */
/* What a peer of the manager's socket sends once it is greeted, and what it does not read. */
#include "bus/manager-peer.h"
#include "bus/message.h"
#include "bus/proxy.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define UID      4711
#define WAIT_MS  10000
#define LARGE    (1024 * 1024) /* more than the kernel keeps for a socket */
#define SIGNALS  2000          /* likewise, of 1000 bytes each */
#define LIMITS   "org.freedesktop.DBus.Error.LimitsExceeded"
#define ARGS     "org.freedesktop.DBus.Error.InvalidArgs"
#define UNKNOWN  "org.freedesktop.DBus.Error.UnknownMethod"
#define GREETING "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"

/* A peer behind a socket pair, of which the test has the other end. */
struct rig {
    struct manager_peer *peer;
    int fd;
    unsigned begun, ended, gone, calls;
    uint32_t uid;
    GDBusConnection *connection; /* what objects are put on */
};

/* The object's methods: an answer of so many bytes, and one with a descriptor. */
static const char rig_methods[] = "<node><interface name='org.tabrmd.Rig'>"
                                  "<method name='Bytes'><arg type='u' direction='in'/>"
                                  "<arg type='ay' direction='out'/></method>"
                                  "<method name='Descriptor'><arg type='h' direction='out'/>"
                                  "</method></interface></node>";

static void rig_called(GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *method, GVariant *arguments,
                       GDBusMethodInvocation *invocation, gpointer data)
{
    struct rig *rig = data;
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    g_autofree char *bytes = NULL;
    guint32 size;

    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    rig->calls++;
    if (strcmp(method, "Bytes") == 0) {
        g_variant_get(arguments, "(u)", &size);
        bytes = g_malloc0(size);
        g_dbus_method_invocation_return_value(
            invocation,
            g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1)));
        return;
    }
    assert_int_equal(g_unix_fd_list_append(list, rig->fd, NULL), 0);
    g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0),
                                                            list);
}

static void rig_export(struct rig *rig, GDBusConnection *connection)
{
    static const GDBusInterfaceVTable methods = {.method_call = rig_called};
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(rig_methods, NULL);

    assert_non_null(node);
    assert_true(g_dbus_connection_register_object(connection, "/org/tabrmd/Manager",
                                                  node->interfaces[0], &methods, rig, NULL, NULL)
                > 0);
    g_dbus_node_info_unref(node);
    rig->connection = connection;
}

static void rig_begun(void *data, GDBusConnection *connection)
{
    struct rig *rig = data;

    rig->begun++;
    assert_true(manager_peer_user(connection, &rig->uid));
    rig_export(rig, connection);
}

static void rig_ended(void *data, GDBusConnection *connection)
{
    struct rig *rig = data;

    (void)connection;
    rig->ended++;
}

static void rig_gone(void *data, struct manager_peer *peer)
{
    struct rig *rig = data;

    rig->gone++;
    rig->peer = NULL;
    manager_peer_free(peer);
}

static int set_up(void **state)
{
    struct rig *rig = g_new0(struct rig, 1);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    rig->fd = pair[1];
    rig->peer = manager_peer_new(
        pair[0], UID, &(struct manager_peer_events){rig_begun, rig_ended, rig_gone, rig});
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    manager_peer_free(rig->peer);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    close(rig->fd);
    g_free(rig);
    return 0;
}

static void send_bytes(const struct rig *rig, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t took =
            send(rig->fd, (const char *)bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        assert_true(took > 0 || errno == EAGAIN);
        if (took > 0)
            sent += (size_t)took;
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
}

/* The next bytes, as many; false at the end of the connection. */
static bool take(const struct rig *rig, void *bytes, size_t size)
{
    const int64_t end = g_get_monotonic_time() + WAIT_MS * 1000;
    struct pollfd handle = {.fd = rig->fd, .events = POLLIN};

    for (size_t got = 0; got < size;) {
        ssize_t count = recv(rig->fd, (char *)bytes + got, size - got, MSG_DONTWAIT);

        if (count == 0)
            return false;
        if (count > 0) {
            got += (size_t)count;
            continue;
        }
        while (g_main_context_iteration(NULL, FALSE))
            ;
        poll(&handle, 1, 1);
        assert_true(g_get_monotonic_time() < end);
    }
    return true;
}

static void greet(const struct rig *rig)
{
    char line[64] = "";
    unsigned lines = 0;

    send_bytes(rig, GREETING, sizeof(GREETING) - 1);
    while (lines < 2) {
        assert_true(take(rig, line, 1));
        lines += line[0] == '\n';
    }
}

static uint8_t *call_of(const char *method, GVariant *arguments, uint32_t serial,
                        GDBusMessageFlags flags, size_t *size)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(NULL, "/org/tabrmd/Manager", "org.tabrmd.Rig", method);
    uint8_t *bytes;

    if (arguments)
        g_dbus_message_set_body(message, arguments);
    g_dbus_message_set_flags(message, flags);
    g_dbus_message_set_serial(message, serial);
    bytes = g_dbus_message_to_blob(message, size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    assert_non_null(bytes);
    return bytes;
}

static void send_method(const struct rig *rig, const char *method, GVariant *arguments,
                        uint32_t serial)
{
    size_t size;
    g_autofree uint8_t *bytes =
        call_of(method, arguments, serial, G_DBUS_MESSAGE_FLAGS_NONE, &size);

    send_bytes(rig, bytes, size);
}

/* A call of a method that there is not. */
static void send_call(const struct rig *rig, GVariant *arguments, uint32_t serial,
                      GDBusMessageFlags flags)
{
    size_t size;
    g_autofree uint8_t *bytes = call_of("Nothing", arguments, serial, flags, &size);

    send_bytes(rig, bytes, size);
}

/* The next message, whole; to be freed with g_free(). */
static uint8_t *next_message(const struct rig *rig, struct message *message)
{
    uint8_t head[MESSAGE_HEAD_SIZE], *bytes;
    size_t size;

    assert_true(take(rig, head, sizeof(head)));
    size = message_size(head);
    assert_in_range(size, MESSAGE_HEAD_SIZE + 1, PROXY_OUT_MAX);
    bytes = g_malloc(size);
    memcpy(bytes, head, sizeof(head));
    assert_true(take(rig, bytes + sizeof(head), size - sizeof(head)));
    assert_true(message_read(message, bytes, size));
    return bytes;
}

/* The next message is this error, in answer to the call. */
static void expect_error(const struct rig *rig, uint32_t serial, const char *error)
{
    struct message message;
    g_autofree G_GNUC_UNUSED uint8_t *bytes = next_message(rig, &message);

    assert_int_equal(message.type, MESSAGE_ERROR);
    assert_int_equal(message.reply_serial, serial);
    assert_string_equal(message.error, error);
}

static void expect_answer(const struct rig *rig, uint32_t serial)
{
    struct message message;
    g_autofree G_GNUC_UNUSED uint8_t *bytes = next_message(rig, &message);

    assert_int_equal(message.type, MESSAGE_RETURN);
    assert_int_equal(message.reply_serial, serial);
}

/* What can be done without the peer is done. */
static void settle(void)
{
    for (unsigned i = 0; i < 50; i++) {
        while (g_main_context_iteration(NULL, FALSE))
            ;
        poll(NULL, 0, 1);
    }
}

static void test_R93_an_answer_that_is_not_read_holds_the_next_call(void **state)
{
    struct rig *rig = *state;

    greet(rig);
    send_method(rig, "Bytes", g_variant_new("(u)", LARGE), 1);
    send_method(rig, "Bytes", g_variant_new("(u)", 1), 2);
    while (rig->calls == 0)
        g_main_context_iteration(NULL, TRUE);
    settle();
    assert_int_equal(rig->calls, 1);
    expect_answer(rig, 1);
    expect_answer(rig, 2);
}

static void test_R93_an_answer_that_is_too_long_is_an_error(void **state)
{
    struct rig *rig = *state;

    greet(rig);
    send_method(rig, "Bytes", g_variant_new("(u)", PROXY_OUT_MAX), 1);
    expect_error(rig, 1, LIMITS);
    send_method(rig, "Bytes", g_variant_new("(u)", 1), 2);
    expect_answer(rig, 2);
}

static void flushed(GObject *source, GAsyncResult *result, gpointer data)
{
    assert_true(g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, NULL));
    *(bool *)data = true;
}

/* All that the connection has sent comes to the peer. */
static void flush(struct rig *rig)
{
    bool done = false;

    g_dbus_connection_flush(rig->connection, NULL, flushed, &done);
    while (!done)
        g_main_context_iteration(NULL, TRUE);
    settle();
}

static void test_R93_signals_are_left_out_for_who_does_not_read(void **state)
{
    struct rig *rig = *state;
    g_autofree char *text = g_strnfill(1000, 'x');
    unsigned signals = 0;
    bool answered = false;

    greet(rig);
    send_method(rig, "Bytes", g_variant_new("(u)", 1), 1);
    expect_answer(rig, 1);
    for (unsigned i = 0; i < SIGNALS; i++)
        assert_true(g_dbus_connection_emit_signal(rig->connection, NULL, "/org/tabrmd/Manager",
                                                  "org.tabrmd.Rig", "Signal",
                                                  g_variant_new("(s)", text), NULL));
    flush(rig);
    send_method(rig, "Bytes", g_variant_new("(u)", 1), 2);
    while (!answered) {
        struct message message;
        g_autofree G_GNUC_UNUSED uint8_t *bytes = next_message(rig, &message);

        signals += message.type == MESSAGE_SIGNAL;
        answered = message.type == MESSAGE_RETURN;
    }
    assert_in_range(signals, 1, SIGNALS / 2);
}

static void test_R90_a_descriptor_goes_with_its_answer(void **state)
{
    struct rig *rig = *state;
    char control[CMSG_SPACE(sizeof(int))] = "", bytes[1024];
    struct iovec part = {bytes, sizeof(bytes)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    const struct cmsghdr *item;
    int fd;

    greet(rig);
    send_method(rig, "Descriptor", NULL, 1);
    while (rig->calls == 0)
        g_main_context_iteration(NULL, TRUE);
    settle();
    assert_true(recvmsg(rig->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0);
    item = CMSG_FIRSTHDR(&message);
    assert_non_null(item);
    assert_int_equal(item->cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(item), sizeof(fd));
    close(fd);
}

static void test_R91_the_kernel_says_who_a_peer_is(void **state)
{
    struct rig *rig = *state;

    greet(rig);
    send_call(rig, NULL, 1, G_DBUS_MESSAGE_FLAGS_NONE);
    expect_error(rig, 1, UNKNOWN);
    assert_int_equal(rig->begun, 1);
    assert_int_equal(rig->uid, UID);
}

static void test_R93_calls_are_answered_one_after_the_other(void **state)
{
    struct rig *rig = *state;

    greet(rig);
    for (uint32_t i = 1; i <= 40; i++)
        send_call(rig, NULL, i, G_DBUS_MESSAGE_FLAGS_NONE);
    for (uint32_t i = 1; i <= 40; i++)
        expect_error(rig, i, UNKNOWN);
}

static void test_R93_only_short_and_flat_calls_pass(void **state)
{
    static const char text[PROXY_MESSAGE_MAX] = "";
    struct rig *rig = *state;

    greet(rig);
    send_call(rig, g_variant_new("(@ay)", g_variant_new_bytestring("x")), 1,
              G_DBUS_MESSAGE_FLAGS_NONE);
    expect_error(rig, 1, ARGS);
    send_call(rig,
              g_variant_new("(@ay)",
                            g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, sizeof(text), 1)),
              2, G_DBUS_MESSAGE_FLAGS_NONE);
    expect_error(rig, 2, LIMITS);
    send_call(rig, NULL, 3, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    send_call(rig, NULL, 4, G_DBUS_MESSAGE_FLAGS_NONE);
    expect_error(rig, 4, UNKNOWN);
}

static void expect_end(struct rig *rig)
{
    char byte;

    assert_false(take(rig, &byte, 1));
    while (rig->gone == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(rig->ended, rig->begun);
}

static void test_R93_garbage_ends_the_connection(void **state)
{
    struct rig *rig = *state;

    send_bytes(rig, "GET / HTTP/1.1\r\n", 16);
    expect_end(rig);
}

static void test_R93_garbage_behind_the_greeting_ends_it_too(void **state)
{
    struct rig *rig = *state;

    greet(rig);
    send_bytes(rig, "garbage, and a bit more of that", 31);
    expect_end(rig);
}

static void test_R93_a_line_without_end_ends_it(void **state)
{
    static const char zeros[PROXY_MESSAGE_MAX] = "";
    struct rig *rig = *state;

    send_bytes(rig, zeros, sizeof(zeros));
    expect_end(rig);
}

#define rig_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_R91_the_kernel_says_who_a_peer_is),
        rig_test(test_R90_a_descriptor_goes_with_its_answer),
        rig_test(test_R93_an_answer_that_is_not_read_holds_the_next_call),
        rig_test(test_R93_an_answer_that_is_too_long_is_an_error),
        rig_test(test_R93_signals_are_left_out_for_who_does_not_read),
        rig_test(test_R93_calls_are_answered_one_after_the_other),
        rig_test(test_R93_only_short_and_flat_calls_pass),
        rig_test(test_R93_garbage_ends_the_connection),
        rig_test(test_R93_garbage_behind_the_greeting_ends_it_too),
        rig_test(test_R93_a_line_without_end_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
