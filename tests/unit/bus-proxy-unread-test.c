/* SPDX-License-Identifier: BSD-2-Clause */
/* How much the proxy sends to programs that do not read. */
#include "bus-rig.h"
#include "bus/unread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* So many calls of Large, each with a call of somebody else behind it, who always gets an answer.
 * Bytes of large answers. */
static size_t leave_unread(struct bus_rig *rig, const char *sender, unsigned count)
{
    rig->large = 0;
    for (unsigned i = 0; i < count; i++) {
        bus_rig_send(rig, bus_rig_call("Large"), sender);
        bus_rig_send(rig, bus_rig_call("Call"), BUS_RIG_OTHER);
        while (g_dbus_message_get_error_name(bus_rig_next_answer(rig))) {
            assert_string_equal(g_dbus_message_get_error_name(rig->answer),
                                "com.intel.tss2.Tabrmd.Error.General");
            rig->refusals++;
        }
    }
    return rig->large;
}

static void test_R52_who_reads_nothing_gets_a_bounded_number_of_bytes(void **state)
{
    const unsigned many = UNREAD_MAX / BUS_RIG_LARGE;
    struct bus_rig *rig = *state;
    GDBusMessage *answer;
    uint32_t serial;

    assert_in_range(leave_unread(rig, ":1.7", many), UNREAD_MAX / 4, UNREAD_MAX / 2);
    assert_int_equal(rig->refusals, 1);
    /* Another program of the same user's. */
    assert_int_equal(leave_unread(rig, ":1.9", 2), 0);
    assert_int_equal(rig->refusals, 2);
    for (unsigned i = 0; i < 4; i++) {
        GDBusMessage *call = bus_rig_call("Call");

        g_dbus_message_set_body(call, g_variant_new("(v)", g_variant_new_byte(7)));
        bus_rig_send(rig, call, ":1.7");
    }
    assert_int_equal(leave_unread(rig, ":1.7", 2), 0);
    assert_int_equal(rig->refusals, 2);
    /* Somebody who has not read the question, and somebody else who has. */
    serial = rig->ping;
    assert_int_not_equal(serial, 0);
    for (unsigned i = 0; i < 2; i++) {
        answer = bus_rig_reply();
        g_dbus_message_set_reply_serial(answer, i == 0 ? serial + 1 : serial);
        bus_rig_send(rig, answer, i == 0 ? ":1.7" : BUS_RIG_OTHER);
    }
    assert_int_equal(leave_unread(rig, ":1.7", 2), 0);
    /* What is behind the question stays unread. */
    answer = bus_rig_reply();
    g_dbus_message_set_reply_serial(answer, serial);
    bus_rig_send(rig, answer, ":1.7");
    assert_in_range(leave_unread(rig, ":1.7", many), BUS_RIG_LARGE, 8 * BUS_RIG_LARGE);
    bus_rig_tell(rig, BUS_RIG_BUS, ":1.7", "");
    assert_in_range(leave_unread(rig, ":1.9", many), UNREAD_MAX / 4, UNREAD_MAX / 2);
}

/* The bus has dropped it. */
static void test_R52_an_answer_to_who_has_left_is_not_unread(void **state)
{
    struct bus_rig *rig = *state;
    char name[16];

    for (unsigned i = 0; i < UNREAD_MAX / BUS_RIG_LARGE; i++) {
        g_snprintf(name, sizeof(name), ":2.%u", i);
        /* Its user is known, so that the next call is at work when the sender leaves. */
        bus_rig_send(rig, bus_rig_call("Call"), name);
        bus_rig_next_answer(rig);
        bus_rig_send(rig, bus_rig_call("Large"), name);
        bus_rig_tell(rig, BUS_RIG_BUS, name, "");
    }
    /* The last answer to who has left may be among them. */
    assert_in_range(leave_unread(rig, ":1.7", 3) / BUS_RIG_LARGE, 3, 4);
}

/* A question is asked of who may have much unread, and of nobody else. */
static void test_R52_who_has_little_unread_is_asked_nothing(void **state)
{
    struct bus_rig *rig = *state;

    leave_unread(rig, ":1.7", 1);
    assert_int_equal(rig->ping, 0);
    leave_unread(rig, ":1.7", 1);
    bus_rig_wait(bus_rig_is_asked, rig);
}

#define unread_test(function) \
    cmocka_unit_test_setup_teardown(function, bus_rig_set_up, bus_rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        unread_test(test_R52_who_reads_nothing_gets_a_bounded_number_of_bytes),
        unread_test(test_R52_an_answer_to_who_has_left_is_not_unread),
        unread_test(test_R52_who_has_little_unread_is_asked_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
