/* SPDX-License-Identifier: BSD-2-Clause */
/* What passes between the bus and GDBus. */
#include "bus-rig.h"
#include "bus/callers.h"

#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_R52_a_call_and_its_descriptors_pass(void **state)
{
    struct bus_rig *rig = *state;

    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    assert_int_equal(bus_rig_count_descriptors(bus_rig_next_answer(rig)), 1);
    assert_true(rig->known);
    assert_int_equal(rig->uid, BUS_RIG_UID);
    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
    assert_int_equal(rig->calls, 2);
    assert_int_equal(rig->queries, 1);
    assert_int_equal(rig->users, 0);
}

static void test_R75_the_bus_tells_groups_and_may_not(void **state)
{
    struct bus_rig *rig = *state;

    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
    assert_int_equal(rig->group, BUS_RIG_GROUP);
    assert_int_equal(rig->pid, BUS_RIG_PID);
    bus_rig_send(rig, bus_rig_call("Call"), BUS_RIG_OTHER);
    bus_rig_next_answer(rig);
    assert_int_equal(rig->uid, BUS_RIG_OTHER_UID);
    assert_int_equal(rig->group, 0);
    assert_int_equal(rig->pid, 0);
    g_clear_object(&rig->answer);
    bus_rig_send(rig, bus_rig_call("Call"), BUS_RIG_GROUPS);
    bus_rig_next_answer(rig);
    assert_int_equal(rig->uid, BUS_RIG_GROUPS_UID);
    assert_int_equal(rig->group, 0);
    assert_int_equal(rig->queries, 3);
    assert_int_equal(rig->users, 2);
}

/* Of a caller they are closed: nobody has the writing end of the pipe any more. */
static void test_R52_descriptors_of_a_caller_do_not_pass(void **state)
{
    struct bus_rig *rig = *state;
    GDBusMessage *call = bus_rig_call("Call");
    GUnixFDList *list;
    char byte;
    int reader;

    list = bus_rig_pipe(&reader);
    g_dbus_message_set_unix_fd_list(call, list);
    g_object_unref(list);
    bus_rig_send(rig, call, ":1.7");
    bus_rig_next_answer(rig);
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

static bool is_counted(const void *count)
{
    return *(const int *)count >= 0;
}

static void test_R52_a_reply_passes_with_its_descriptors(void **state)
{
    struct bus_rig *rig = *state;
    int count = -1;

    g_dbus_connection_call_with_unix_fd_list(rig->daemon, NULL, "/path", "an.interface", "Inhibit",
                                             NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL,
                                             called, &count);
    bus_rig_wait(is_counted, &count);
    assert_int_equal(count, 1);
}

static void test_R52_what_nobody_has_a_use_for_does_not_pass(void **state)
{
    struct bus_rig *rig = *state;
    GDBusMessage *silent = bus_rig_call("Call");

    g_dbus_message_set_flags(silent, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    bus_rig_send(rig, silent, ":1.7");
    bus_rig_send(rig, bus_rig_reply(), ":1.7");
    bus_rig_send(rig, bus_rig_reply(), BUS_RIG_BUS);
    bus_rig_send(rig, g_dbus_message_new_signal("/path", "an.interface", "Signal"), ":1.7");
    bus_rig_send(rig, g_dbus_message_new_signal("/path", BUS_RIG_BUS, "NameAcquired"), BUS_RIG_BUS);
    bus_rig_send(
        rig,
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep"),
        ":1.3");
    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->others, 2);
}

/* What the bus delivers for a rule has no destination; what has one comes from anybody, and in any
 * number. */
static void test_R52_a_signal_to_the_daemon_alone_does_not_pass(void **state)
{
    struct bus_rig *rig = *state;
    GDBusMessage *signal =
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep");

    g_dbus_message_set_destination(signal, ":1.1");
    bus_rig_send(rig, signal, ":1.7");
    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
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
    struct bus_rig *rig = *state;
    GDBusMessage *call = bus_rig_call("Call"), *signal;
    const char *error;

    signal =
        g_dbus_message_new_signal("/path", "org.freedesktop.login1.Manager", "PrepareForSleep");
    g_dbus_message_set_body(signal, deep_body());
    bus_rig_send(rig, signal, ":1.7");
    g_dbus_message_set_body(call, deep_body());
    bus_rig_send(rig, call, ":1.7");
    bus_rig_wait(bus_rig_is_answered_or_closed, rig);
    assert_false(g_dbus_connection_is_closed(rig->daemon));
    error = g_dbus_message_get_error_name(bus_rig_next_answer(rig));
    assert_string_equal(error, "org.freedesktop.DBus.Error.InvalidArgs");
    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->others, 0);
}

/* GDBus has no part in it. */
static void test_R52_a_sender_that_leaves_is_told_of(void **state)
{
    struct bus_rig *rig = *state;

    bus_rig_send(rig, bus_rig_call("Call"), ":1.7");
    bus_rig_next_answer(rig);
    assert_non_null(rig->rule);
    assert_non_null(strstr(rig->rule, "member='NameOwnerChanged',arg2=''"));
    bus_rig_tell(rig, BUS_RIG_BUS, ":1.7", "");
    bus_rig_tell(rig, BUS_RIG_BUS, ":1.8", ":1.8");
    bus_rig_tell(rig, BUS_RIG_BUS, "a.name", "");
    bus_rig_tell(rig, ":1.9", ":1.9", "");
    bus_rig_send(rig, bus_rig_call("Call"), ":1.8");
    bus_rig_next_answer(rig);
    assert_string_equal(rig->left, ":1.7");
    assert_int_equal(rig->others, 2);
}

static bool are_at_work(const void *data)
{
    const struct bus_rig *rig = data;

    return rig->calls >= CALLERS_AT_WORK;
}

static void test_R52_calls_above_a_users_bound_are_refused(void **state)
{
    struct bus_rig *rig = *state;
    const char *error;

    /* All are the user's that the test's bus tells, whoever sends them. */
    for (unsigned i = 0; i < CALLERS_AT_WORK + CALLERS_WAITING + 1; i++)
        bus_rig_send(rig, bus_rig_call("Keep"), i % 2 ? ":1.7" : ":1.9");
    error = g_dbus_message_get_error_name(bus_rig_next_answer(rig));
    assert_string_equal(error, "com.intel.tss2.Tabrmd.Error.General");
    bus_rig_wait(are_at_work, rig);
    assert_int_equal(rig->calls, CALLERS_AT_WORK);
}

/* Both sides see the end when one of them has it. */
static void test_R52_the_end_of_one_side_is_the_others(void **state)
{
    struct bus_rig *rig = *state;

    g_dbus_connection_close_sync(rig->bus, NULL, NULL);
    bus_rig_wait(bus_rig_is_closed, rig);
}

#define proxy_test(function) \
    cmocka_unit_test_setup_teardown(function, bus_rig_set_up, bus_rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        proxy_test(test_R52_a_call_and_its_descriptors_pass),
        proxy_test(test_R75_the_bus_tells_groups_and_may_not),
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
