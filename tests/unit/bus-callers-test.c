/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose calls over the bus are served, and in what order; the test is the bus and the clock. */
#include "bus/callers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OFTEN 4000

/* Programs of one user that come back at once, as after a restart of what they depend on. */
#define PROGRAMS 100

/* What the events said: the byte of the call that was served last, and counts. */
struct seen {
    struct callers *callers;
    unsigned asked, served, refused[4];
    uint32_t query, refused_serial;
    uint32_t full; /* the user who may have no answer; 0 for none */
    uint8_t last;
    char sender[64];
};

static void seen_ask(void *data, uint32_t query, const char *sender)
{
    struct seen *seen = data;

    assert_true(query < CALLERS_QUERIES);
    seen->asked++;
    seen->query = query;
    snprintf(seen->sender, sizeof(seen->sender), "%s", sender);
}

static bool seen_has_room(void *data, uint32_t uid)
{
    const struct seen *seen = data;

    return !seen->full || uid != seen->full;
}

static void seen_serve(void *data, const uint8_t *bytes, size_t size)
{
    struct seen *seen = data;

    assert_int_equal(size, 1);
    seen->served++;
    seen->last = *bytes;
}

static void seen_refuse(void *data, const char *sender, uint32_t serial,
                        enum callers_refusal refusal)
{
    struct seen *seen = data;

    (void)sender;
    seen->refused[refusal]++;
    seen->refused_serial = serial;
}

static void begin(struct seen *seen)
{
    *seen = (struct seen){0};
    seen->callers = callers_new(
        &(struct callers_events){seen_ask, seen_has_room, seen_serve, seen_refuse, seen});
}

/* A call whose one byte is the serial's last. */
static void call(struct seen *seen, const char *sender, uint32_t serial, int64_t now_ms)
{
    struct message message = {.sender = sender, .serial = serial};
    uint8_t byte = (uint8_t)serial;

    callers_call(seen->callers, &message, &byte, 1, now_ms);
}

/* A call of a sender that the bus knows. */
static void meet(struct seen *seen, const char *sender, uint32_t uid)
{
    call(seen, sender, 1, 0);
    assert_string_equal(seen->sender, sender);
    assert_true(callers_told(seen->callers, seen->query, true, uid));
    callers_answered(seen->callers, sender, 1);
}

/* So is its process, where the bus tells it. */
static void test_the_process_of_a_sender_stays_with_its_calls(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    call(&seen, ":1.1", 1, 0);
    callers_told_pid(seen.callers, seen.query + 1, 7);
    callers_told_pid(seen.callers, seen.query, 4711);
    assert_int_equal(callers_pid(seen.callers, ":1.1", 1), 0);
    assert_true(callers_told(seen.callers, seen.query, true, 1000));
    callers_told_pid(seen.callers, seen.query, 8);
    call(&seen, ":1.1", 2, 0);
    assert_int_equal(callers_pid(seen.callers, ":1.1", 1), 4711);
    assert_int_equal(callers_pid(seen.callers, ":1.1", 2), 4711);
    assert_int_equal(callers_pid(seen.callers, ":1.1", 3), 0);
    call(&seen, ":1.2", 1, 0);
    assert_true(callers_told(seen.callers, seen.query, true, 1000));
    assert_int_equal(callers_pid(seen.callers, ":1.2", 1), 0);
    callers_free(seen.callers);
}

/* The groups of a sender are known before its user, or not at all, and stay with its calls. */
static void test_R75_groups_are_told_before_the_user(void **state)
{
    static const uint32_t ids[] = {5, 6};
    g_autoptr(GBytes) groups = g_bytes_new_static(ids, sizeof(ids));
    GBytes *found = NULL;
    struct seen seen;
    uint32_t uid;

    (void)state;
    begin(&seen);
    call(&seen, ":1.1", 1, 0);
    assert_true(callers_told_groups(seen.callers, seen.query, groups));
    assert_false(callers_told_groups(seen.callers, seen.query + 1, groups));
    assert_int_equal(seen.served, 0);
    assert_true(callers_told(seen.callers, seen.query, true, 1000));
    assert_false(callers_told_groups(seen.callers, seen.query, NULL));
    call(&seen, ":1.1", 2, 0);
    callers_left(seen.callers, ":1.1");
    for (uint32_t serial = 1; serial <= 2; serial++) {
        assert_true(callers_user(seen.callers, ":1.1", serial, &uid, &found));
        assert_ptr_equal(found, groups);
    }
    call(&seen, ":1.2", 1, 0);
    assert_true(callers_told_groups(seen.callers, seen.query, NULL));
    assert_true(callers_told(seen.callers, seen.query, true, 1000));
    assert_true(callers_user(seen.callers, ":1.2", 1, &uid, &found));
    assert_null(found);
    callers_free(seen.callers);
}

static void test_R52_a_sender_is_asked_for_once(void **state)
{
    struct seen seen;
    uint32_t uid = 0;

    (void)state;
    begin(&seen);
    call(&seen, ":1.1", 1, 0);
    call(&seen, ":1.1", 2, 0);
    assert_int_equal(seen.asked, 1);
    assert_int_equal(seen.served, 0);
    assert_false(callers_user(seen.callers, ":1.1", 1, &uid, NULL));
    assert_true(callers_told(seen.callers, seen.query, true, 1000));
    assert_false(callers_told(seen.callers, seen.query, true, 0));
    assert_int_equal(seen.served, 2);
    assert_true(callers_user(seen.callers, ":1.1", 2, &uid, NULL));
    assert_int_equal(uid, 1000);
    callers_answered(seen.callers, ":1.1", 2);
    assert_false(callers_user(seen.callers, ":1.1", 2, &uid, NULL));
    call(&seen, ":1.1", 3, 0);
    assert_int_equal(seen.asked, 1);
    assert_int_equal(seen.served, 3);
    callers_free(seen.callers);
}

static void test_R52_a_user_has_a_queue_of_bounded_length(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    meet(&seen, ":1.2", 1000);
    seen.served = 0;
    for (uint32_t i = 2; i < 2 + OFTEN; i++)
        call(&seen, i % 2 ? ":1.1" : ":1.2", i, 0);
    assert_int_equal(seen.served, CALLERS_AT_WORK);
    assert_int_equal(seen.refused[CALLERS_BUSY], OFTEN - CALLERS_AT_WORK - CALLERS_WAITING);
    /* In their order, as others are answered. */
    for (uint32_t i = 2; i < 2 + CALLERS_WAITING; i++) {
        callers_answered(seen.callers, i % 2 ? ":1.1" : ":1.2", i);
        assert_int_equal(seen.last, (uint8_t)(i + CALLERS_AT_WORK));
    }
    assert_int_equal(seen.served, CALLERS_AT_WORK + CALLERS_WAITING);
    callers_free(seen.callers);
}

/* None is refused while the daemon has answered nobody. */
static void test_R52_many_programs_of_a_user_come_back_at_once(void **state)
{
    struct seen seen;
    char name[32];

    (void)state;
    begin(&seen);
    for (unsigned i = 0; i < PROGRAMS; i++) {
        snprintf(name, sizeof(name), ":1.%u", i);
        call(&seen, name, 1, 0);
        assert_true(callers_told(seen.callers, seen.query, true, 1000));
    }
    assert_int_equal(seen.refused[CALLERS_BUSY], 0);
    for (unsigned i = 0; i < PROGRAMS; i++) {
        snprintf(name, sizeof(name), ":1.%u", i);
        callers_answered(seen.callers, name, 1);
    }
    assert_int_equal(seen.served, PROGRAMS);
    callers_free(seen.callers);
}

static void test_R52_a_users_queue_holds_up_no_other(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    for (uint32_t i = 2; i < 2 + OFTEN; i++)
        call(&seen, ":1.1", i, 0);
    seen.served = 0;
    meet(&seen, ":1.2", 0);
    assert_int_equal(seen.served, 1);
    call(&seen, ":1.2", 2, 0);
    assert_int_equal(seen.served, 2);
    assert_int_equal(seen.last, 2);
    callers_free(seen.callers);
}

/* Nor do senders of whom nothing is known. */
static void test_R52_unknown_senders_leave_room_for_others(void **state)
{
    struct seen seen;
    char name[32];

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 0);
    for (unsigned i = 0; i < CALLERS_ROOM; i++) {
        snprintf(name, sizeof(name), ":2.%u", i % 100);
        call(&seen, name, i + 1, 0);
    }
    assert_int_equal(seen.refused[CALLERS_BUSY], 0);
    seen.served = 0;
    call(&seen, ":1.1", 2, 0);
    assert_int_equal(seen.served, 1);
    /* Who asks for room where there is none has it from who has the most. */
    call(&seen, ":1.2", 1, 0);
    assert_string_equal(seen.sender, ":1.2");
    assert_int_equal(seen.refused[CALLERS_BUSY], 1);
    assert_true(callers_told(seen.callers, seen.query, true, 7));
    assert_int_equal(seen.served, 2);
    callers_free(seen.callers);
}

/* When each has one call, who comes last is refused. */
static void test_R52_the_room_for_calls_is_bounded(void **state)
{
    struct seen seen;
    char name[32];

    (void)state;
    begin(&seen);
    for (unsigned i = 0; i < CALLERS_ROOM + 10; i++) {
        snprintf(name, sizeof(name), ":2.%u", i);
        call(&seen, name, 1, 0);
    }
    assert_int_equal(seen.asked, CALLERS_ROOM);
    assert_int_equal(seen.refused[CALLERS_BUSY], 10);
    callers_free(seen.callers);
}

static void test_R52_a_bus_that_is_silent_is_no_missing_permission(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    assert_int_equal(callers_expire(seen.callers, 0), -1);
    call(&seen, ":1.1", 5, 1000);
    call(&seen, ":1.1", 6, 2000);
    call(&seen, ":1.2", 7, 3000);
    assert_int_equal(callers_expire(seen.callers, 1001), CALLERS_ANSWER_MS - 1);
    assert_int_equal(callers_expire(seen.callers, 1000 + CALLERS_ANSWER_MS), 2000);
    assert_int_equal(seen.refused[CALLERS_SILENCE], 2);
    assert_int_equal(callers_expire(seen.callers, 3000 + CALLERS_ANSWER_MS), -1);
    assert_int_equal(seen.refused[CALLERS_SILENCE], 3);
    assert_false(callers_told(seen.callers, seen.query, true, 0));
    /* The next call asks again. */
    call(&seen, ":1.2", 8, 20000);
    assert_int_equal(seen.asked, 3);
    assert_true(callers_told(seen.callers, seen.query, false, 0));
    assert_int_equal(seen.refused[CALLERS_NOBODY], 1);
    assert_int_equal(seen.refused_serial, 8);
    assert_int_equal(seen.served, 0);
    callers_free(seen.callers);
}

static void test_R52_the_senders_that_are_known_are_bounded(void **state)
{
    struct seen seen;
    char name[32];

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1);
    meet(&seen, ":1.2", 2);
    for (unsigned i = 2; i < CALLERS_KNOWN; i++) {
        snprintf(name, sizeof(name), ":2.%u", i);
        meet(&seen, name, 3);
    }
    call(&seen, ":1.1", 2, 0);
    seen.asked = 0;
    meet(&seen, ":1.3", 3);
    call(&seen, ":1.1", 3, 0);
    assert_int_equal(seen.asked, 1);
    call(&seen, ":1.2", 2, 0);
    assert_int_equal(seen.asked, 2);
    callers_free(seen.callers);
}

/* Nobody can tell its answers from one another. */
static void test_R52_a_serial_that_is_at_work_is_no_second_call(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    seen.served = 0;
    for (unsigned i = 0; i < OFTEN; i++)
        call(&seen, ":1.1", 7, 0);
    assert_int_equal(seen.served, 1);
    callers_answered(seen.callers, ":1.1", 8);
    callers_answered(seen.callers, ":1.2", 7);
    callers_answered(seen.callers, ":1.1", 7);
    call(&seen, ":1.1", 7, 0);
    assert_int_equal(seen.served, 2);
    callers_free(seen.callers);
}

static void test_R52_who_may_have_no_answer_gets_none(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    meet(&seen, ":1.2", 1001);
    seen.served = 0;
    for (uint32_t i = 2; i < 2 + CALLERS_AT_WORK + CALLERS_WAITING; i++)
        call(&seen, ":1.1", i, 0);
    seen.full = 1000;
    /* What waits is dropped when it is its turn, and what comes then at once. */
    for (uint32_t i = 2; i < 2 + CALLERS_AT_WORK; i++)
        callers_answered(seen.callers, ":1.1", i);
    call(&seen, ":1.1", 99, 0);
    assert_int_equal(seen.served, CALLERS_AT_WORK);
    call(&seen, ":1.2", 2, 0);
    assert_int_equal(seen.served, CALLERS_AT_WORK + 1);
    seen.full = 0;
    call(&seen, ":1.1", 100, 0);
    assert_int_equal(seen.served, CALLERS_AT_WORK + 2);
    assert_int_equal(seen.refused[CALLERS_BUSY], 0);
    assert_int_equal(seen.refused[CALLERS_UNREAD], CALLERS_WAITING + 1);
    callers_free(seen.callers);
}

static void test_R52_who_left_is_known_no_more(void **state)
{
    struct seen seen;
    uint32_t uid;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    assert_true(callers_has(seen.callers, ":1.1", &uid));
    assert_int_equal(uid, 1000);
    callers_left(seen.callers, ":1.1");
    assert_false(callers_has(seen.callers, ":1.1", &uid));
    /* One whose user the bus has not told. */
    seen.served = 0;
    call(&seen, ":1.2", 1, 0);
    assert_true(callers_has(seen.callers, ":1.2", &uid));
    assert_int_equal(uid, CALLERS_NO_USER);
    callers_left(seen.callers, ":1.2");
    callers_left(seen.callers, ":1.3");
    assert_false(callers_told(seen.callers, seen.query, true, 1000));
    assert_int_equal(callers_expire(seen.callers, 2 * CALLERS_ANSWER_MS), -1);
    assert_int_equal(seen.served, 0);
    callers_free(seen.callers);
}

/* Nobody would read the answers, and others wait for their turn. */
static void test_R52_calls_of_who_left_wait_no_more(void **state)
{
    struct seen seen;

    (void)state;
    begin(&seen);
    meet(&seen, ":1.1", 1000);
    meet(&seen, ":1.2", 1000);
    meet(&seen, ":1.3", 1001);
    for (uint32_t i = 2; i < 2 + CALLERS_AT_WORK + CALLERS_WAITING - 1; i++)
        call(&seen, ":1.1", i, 0);
    call(&seen, ":1.2", 77, 0);
    seen.served = 0;
    callers_left(seen.callers, ":1.3");
    callers_left(seen.callers, ":1.1");
    assert_int_equal(seen.served, 0);
    callers_answered(seen.callers, ":1.1", 2);
    assert_int_equal(seen.served, 1);
    assert_int_equal(seen.last, 77);
    for (uint32_t i = 3; i < 2 + CALLERS_AT_WORK; i++)
        callers_answered(seen.callers, ":1.1", i);
    assert_int_equal(seen.served, 1);
    /* And their room is free. */
    for (uint32_t i = 100; i < 100 + CALLERS_AT_WORK - 1 + CALLERS_WAITING; i++)
        call(&seen, ":1.2", i, 0);
    assert_int_equal(seen.refused[CALLERS_BUSY], 0);
    call(&seen, ":1.2", 99, 0);
    assert_int_equal(seen.refused[CALLERS_BUSY], 1);
    callers_free(seen.callers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R52_a_sender_is_asked_for_once),
        cmocka_unit_test(test_R75_groups_are_told_before_the_user),
        cmocka_unit_test(test_the_process_of_a_sender_stays_with_its_calls),
        cmocka_unit_test(test_R52_a_user_has_a_queue_of_bounded_length),
        cmocka_unit_test(test_R52_many_programs_of_a_user_come_back_at_once),
        cmocka_unit_test(test_R52_a_users_queue_holds_up_no_other),
        cmocka_unit_test(test_R52_unknown_senders_leave_room_for_others),
        cmocka_unit_test(test_R52_the_room_for_calls_is_bounded),
        cmocka_unit_test(test_R52_a_bus_that_is_silent_is_no_missing_permission),
        cmocka_unit_test(test_R52_the_senders_that_are_known_are_bounded),
        cmocka_unit_test(test_R52_a_serial_that_is_at_work_is_no_second_call),
        cmocka_unit_test(test_R52_who_may_have_no_answer_gets_none),
        cmocka_unit_test(test_R52_who_left_is_known_no_more),
        cmocka_unit_test(test_R52_calls_of_who_left_wait_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
