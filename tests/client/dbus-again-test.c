/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that dies in the middle of a call over the bus, or between two, and another one that
 * comes after it, while the connections to clients stay. What has no answer is asked again where
 * that does no harm; the rest is not.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "deadline.h"
#include "fake-bus.h"
#include "fake-daemon.h"

#define CONF       "bus_type=session,bus_name=" FAKE_BUS_NAME
#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define NO_REPLY   DBUS_ERROR "NoReply"

static struct fake_bus bus;

static TSS2_RC try_connect(struct fake_link *link)
{
    size_t size = 0;
    TSS2_RC rc;

    *link = (struct fake_link){NULL, -1};
    bus.init(NULL, &size, NULL);
    link->tcti = calloc(1, size);
    rc = bus.init(link->tcti, &size, CONF);
    if (rc != TSS2_RC_SUCCESS) {
        free(link->tcti);
        link->tcti = NULL;
    }
    return rc;
}

static void open_link(struct fake_link *link)
{
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(try_connect(link), TSS2_RC_SUCCESS);
    link->server = fake_bus_take_server(&bus);
    assert_true(link->server >= 0);
}

/* A call of the library's in a thread of its own. */
struct calling {
    struct fake_link *link;
    TSS2_RC (*call)(struct fake_link *link);
    TSS2_RC rc;
    pthread_t thread;
};

static void *calling_run(void *data)
{
    struct calling *calling = data;

    calling->rc = calling->call(calling->link);
    return NULL;
}

static void call(struct calling *calling, TSS2_RC (*function)(struct fake_link *link),
                 struct fake_link *link)
{
    *calling = (struct calling){.link = link, .call = function};
    assert_int_equal(pthread_create(&calling->thread, NULL, calling_run, calling), 0);
}

static TSS2_RC called(struct calling *calling)
{
    pthread_join(calling->thread, NULL);
    return calling->rc;
}

static TSS2_RC set_locality(struct fake_link *link)
{
    return Tss2_Tcti_SetLocality(link->tcti, 3);
}

static TSS2_RC cancel(struct fake_link *link)
{
    return Tss2_Tcti_Cancel(link->tcti);
}

static void expect_called_by_the_creator(int locality)
{
    g_mutex_lock(&bus.lock);
    assert_string_equal(bus.caller, bus.creator);
    assert_true(bus.id == FAKE_BUS_ID);
    assert_int_equal(bus.locality, locality);
    g_mutex_unlock(&bus.lock);
}

static void test_a_daemon_that_dies_before_it_lets_in_is_asked_again(void **state)
{
    struct calling connecting;
    struct fake_link link;

    (void)state;
    fake_bus_answer(&bus, FAKE_BUS_SILENT, NULL, 0);
    call(&connecting, try_connect, &link);
    fake_bus_await_calls(&bus, 1);
    fake_bus_leave(&bus);
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    fake_bus_join(&bus);
    assert_int_equal(called(&connecting), TSS2_RC_SUCCESS);
    assert_int_equal(fake_bus_count_calls(&bus), 1);
    link.server = fake_bus_take_server(&bus);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

/* A bus that starts the daemon answers the call that found none only when it is there again. */
static void test_a_daemon_that_is_there_again_at_once_is_asked_again(void **state)
{
    struct fake_link link;
    unsigned deaths;

    (void)state;
    for (deaths = 1; deaths < DEADLINE_CONNECT_TRIES; deaths++) {
        fake_bus_fail_first(&bus, deaths, NO_REPLY);
        assert_int_equal(try_connect(&link), TSS2_RC_SUCCESS);
        assert_int_equal(fake_bus_count_calls(&bus), deaths + 1);
        link.server = fake_bus_take_server(&bus);
        fake_link_exchange(&link, 1);
        fake_link_close(&link);
    }
}

static void test_R47_a_daemon_that_dies_at_each_call_is_an_error(void **state)
{
    struct fake_link link, other;

    (void)state;
    open_link(&link);
    fake_bus_answer(&bus, FAKE_BUS_ERROR, NO_REPLY, 0);
    assert_int_equal(try_connect(&other), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(fake_bus_count_calls(&bus), DEADLINE_CONNECT_TRIES);
    fake_bus_answer(&bus, FAKE_BUS_ERROR, NO_REPLY, 0);
    assert_int_equal(set_locality(&link), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(fake_bus_count_calls(&bus), DEADLINE_CONNECT_TRIES);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

/* A refusal, and any other answer of a daemon that lives. */
static void test_an_answer_is_not_asked_for_again(void **state)
{
    static const char *const errors[] = {
        "com.intel.tss2.Tabrmd.Error.General",
        "com.intel.tss2.Tabrmd.Error.NotPermitted",
        DBUS_ERROR "AccessDenied",
        DBUS_ERROR "Failed",
        DBUS_ERROR "LimitsExceeded",
        DBUS_ERROR "TimedOut",
    };
    struct fake_link link, other;
    size_t i;

    (void)state;
    open_link(&link);
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_bus_answer(&bus, FAKE_BUS_ERROR, errors[i], 0);
        assert_int_not_equal(try_connect(&other), TSS2_RC_SUCCESS);
        assert_int_equal(fake_bus_count_calls(&bus), 1);
        assert_int_not_equal(set_locality(&link), TSS2_RC_SUCCESS);
        assert_int_equal(fake_bus_count_calls(&bus), 2);
    }
    fake_link_close(&link);
}

/* Where no daemon was seen to die, none is waited for. */
static void test_R47_a_name_that_nobody_has_is_not_asked_for_again(void **state)
{
    struct fake_link other;

    (void)state;
    fake_bus_answer(&bus, FAKE_BUS_ERROR, DBUS_ERROR "ServiceUnknown", 0);
    assert_int_equal(try_connect(&other), TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(fake_bus_count_calls(&bus), 1);
}

static void test_the_next_daemon_sets_the_locality(void **state)
{
    struct fake_link link;
    struct calling calling;

    (void)state;
    open_link(&link);
    fake_bus_leave(&bus);
    fake_bus_join(&bus);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    expect_called_by_the_creator(3);
    fake_bus_answer(&bus, FAKE_BUS_SILENT, NULL, 0);
    call(&calling, set_locality, &link);
    fake_bus_await_calls(&bus, 1);
    fake_bus_leave(&bus);
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0xB0907);
    fake_bus_join(&bus);
    assert_int_equal(called(&calling), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(fake_bus_count_calls(&bus), 1);
    expect_called_by_the_creator(3);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

/* A daemon that dies with the call of a Cancel unanswered, and one that comes after it. */
static void die_in_a_cancel(struct fake_link *link, struct calling *calling)
{
    fake_bus_answer(&bus, FAKE_BUS_SILENT, NULL, 0);
    call(calling, cancel, link);
    fake_bus_await_calls(&bus, 1);
    fake_bus_leave(&bus);
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
}

/* The outstanding command is answered. */
static void expect_answered(struct fake_link *link)
{
    uint8_t response[30];

    fake_frame(response, sizeof(response), 4);
    fake_link_write(link, response, sizeof(response));
    fake_link_expect(link, response, sizeof(response), TSS2_TCTI_TIMEOUT_BLOCK);
}

static void test_the_next_daemon_cancels(void **state)
{
    struct fake_link link;
    struct calling calling;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 20, 1);
    die_in_a_cancel(&link, &calling);
    fake_bus_join(&bus);
    assert_int_equal(called(&calling), TSS2_RC_SUCCESS);
    assert_int_equal(fake_bus_count_calls(&bus), 1);
    expect_called_by_the_creator(-1);
    expect_answered(&link);
    fake_link_close(&link);
}

/* The command that was to be canceled is over when the next daemon is there, and another one is
 * outstanding, which nobody wants canceled. */
static void test_the_next_daemon_cancels_no_other_command(void **state)
{
    struct fake_link link;
    struct calling calling;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 20, 1);
    die_in_a_cancel(&link, &calling);
    expect_answered(&link);
    fake_link_command(&link, 20, 2);
    fake_bus_join(&bus);
    assert_int_equal(called(&calling), TSS2_RC_SUCCESS);
    assert_int_equal(fake_bus_count_calls(&bus), 0);
    fake_link_close(&link);
}

/* A child of the test calls twice. */
static void expect_child_calls(struct fake_link *link)
{
    pid_t child = children_start();

    if (child == 0)
        _exit(set_locality(link) == TSS2_RC_SUCCESS && set_locality(link) == TSS2_RC_SUCCESS ? 0
                                                                                             : 1);
    children_expect_end(child);
}

/* A parent and its child, each of which knows the first daemon only. */
static void test_R46_a_child_finds_the_next_daemon_too(void **state)
{
    struct fake_link link;

    (void)state;
    open_link(&link);
    fake_bus_leave(&bus);
    fake_bus_join(&bus);
    expect_child_calls(&link);
    expect_called_by_the_creator(3);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    assert_int_equal(fake_bus_count_calls(&bus), 4);
    fake_link_close(&link);
}

static void restart_the_bus(void)
{
    fake_bus_leave(&bus);
    fake_bus_end_daemon(&bus);
    fake_bus_begin_daemon(&bus);
    fake_bus_join(&bus);
}

/* The bus and all who were on it begin anew; the connection to the daemon does not. */
static void test_calls_over_a_bus_that_was_restarted(void **state)
{
    struct fake_link link;
    int i;

    (void)state;
    open_link(&link);
    for (i = 0; i < 3; i++) {
        restart_the_bus();
        fake_link_exchange(&link, 1);
        fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
        assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
        fake_link_command(&link, 20, 1);
        assert_int_equal(cancel(&link), TSS2_RC_SUCCESS);
        assert_int_equal(fake_bus_count_calls(&bus), 2);
        g_mutex_lock(&bus.lock);
        assert_true(bus.id == FAKE_BUS_ID);
        g_mutex_unlock(&bus.lock);
        fake_link_close(&link);
        open_link(&link);
    }
    fake_link_close(&link);
}

/* Each process has a connection to the new bus that is its own. */
static void test_R46_a_child_over_a_bus_that_was_restarted(void **state)
{
    struct fake_link link;

    (void)state;
    open_link(&link);
    restart_the_bus();
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    expect_child_calls(&link);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    assert_int_equal(fake_bus_count_calls(&bus), 4);
    fake_link_close(&link);
}

/* A bus that is not there is no reason to give it up. */
static void test_R46_a_bus_that_one_process_found_gone_is_tried_by_others(void **state)
{
    struct fake_link link;
    pid_t child;

    (void)state;
    open_link(&link);
    fake_bus_leave(&bus);
    fake_bus_end_daemon(&bus);
    child = children_start();
    if (child == 0)
        _exit(set_locality(&link) == TSS2_TCTI_RC_IO_ERROR
                      && set_locality(&link) == TSS2_TCTI_RC_NO_CONNECTION
                  ? 0
                  : 1);
    children_expect_end(child);
    fake_bus_begin_daemon(&bus);
    fake_bus_join(&bus);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    fake_link_close(&link);
}

static void test_R46_a_child_that_dies_in_a_call_leaves_a_restarted_bus(void **state)
{
    struct fake_link link;
    pid_t child;

    (void)state;
    open_link(&link);
    fake_bus_leave(&bus);
    fake_bus_end_daemon(&bus);
    assert_int_equal(set_locality(&link), TSS2_TCTI_RC_IO_ERROR);
    fake_bus_begin_daemon(&bus);
    fake_bus_join(&bus);
    fake_bus_answer(&bus, FAKE_BUS_SILENT, NULL, 0);
    child = children_start();
    if (child == 0)
        _exit(set_locality(&link) == TSS2_RC_SUCCESS ? 1 : 2);
    fake_bus_await_calls(&bus, 1);
    children_kill(child);
    fake_bus_answer(&bus, FAKE_BUS_GOOD, NULL, 0);
    assert_int_equal(set_locality(&link), TSS2_RC_SUCCESS);
    fake_link_close(&link);
}

static int start(void **state)
{
    (void)state;
    fake_bus_start(&bus);
    return 0;
}

static int stop_bus(void **state)
{
    (void)state;
    fake_bus_stop(&bus);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_daemon_that_dies_before_it_lets_in_is_asked_again),
        cmocka_unit_test(test_a_daemon_that_is_there_again_at_once_is_asked_again),
        cmocka_unit_test(test_R47_a_daemon_that_dies_at_each_call_is_an_error),
        cmocka_unit_test(test_an_answer_is_not_asked_for_again),
        cmocka_unit_test(test_R47_a_name_that_nobody_has_is_not_asked_for_again),
        cmocka_unit_test(test_the_next_daemon_sets_the_locality),
        cmocka_unit_test(test_the_next_daemon_cancels),
        cmocka_unit_test(test_the_next_daemon_cancels_no_other_command),
        cmocka_unit_test(test_R46_a_child_finds_the_next_daemon_too),
        cmocka_unit_test(test_calls_over_a_bus_that_was_restarted),
        cmocka_unit_test(test_R46_a_child_over_a_bus_that_was_restarted),
        cmocka_unit_test(test_R46_a_bus_that_one_process_found_gone_is_tried_by_others),
        cmocka_unit_test(test_R46_a_child_that_dies_in_a_call_leaves_a_restarted_bus),
    };

    return cmocka_run_group_tests_name("client D-Bus again", tests, start, stop_bus);
}
