/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit of log lines that clients can cause, with a clock that the test makes up. */
#include "base/log-limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define FLOOD 10000

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct log_limit));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* How many of `lines` at `now` may be written. */
static unsigned admit(struct log_limit *limit, enum log_event event, uint32_t account, int64_t now,
                      unsigned lines)
{
    unsigned admitted = 0;

    for (unsigned i = 0; i < lines; i++)
        admitted += log_limit_admit(limit, event, account, now);
    return admitted;
}

static void test_R57_a_flood_is_cut_and_counted(void **state)
{
    struct log_limit *limit = *state;
    struct log_limit_count count;

    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1000, 5, FLOOD), LOG_LIMIT_LINES);
    assert_false(log_limit_ended(limit, 5 + LOG_LIMIT_MS - 1, &count));
    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1000, 5 + LOG_LIMIT_MS - 1, 1), 0);
    assert_true(log_limit_ended(limit, 5 + LOG_LIMIT_MS, &count));
    assert_int_equal(count.event, LOG_EVENT_CONNECTION_REFUSED);
    assert_int_equal(count.account, 1000);
    assert_false(count.several);
    assert_int_equal(count.left_out, FLOOD - LOG_LIMIT_LINES + 1);
    assert_false(log_limit_ended(limit, 5 + LOG_LIMIT_MS, &count));
    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1000, 5 + LOG_LIMIT_MS, FLOOD),
                     LOG_LIMIT_LINES);
}

static void test_R57_each_user_and_event_has_a_limit_of_its_own(void **state)
{
    struct log_limit *limit = *state;

    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1000, 0, FLOOD), LOG_LIMIT_LINES);
    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1001, 0, FLOOD), LOG_LIMIT_LINES);
    assert_int_equal(admit(limit, LOG_EVENT_SESSION_DISCARDED, 1000, 0, FLOOD), LOG_LIMIT_LINES);
}

/* Few lines are all written, however long it goes on. */
static void test_R57_few_lines_are_all_written(void **state)
{
    struct log_limit *limit = *state;
    struct log_limit_count count;

    for (int64_t now = 0; now < 100 * (int64_t)LOG_LIMIT_MS; now += LOG_LIMIT_MS / 5)
        assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1000, now, 2), 2);
    assert_false(log_limit_ended(limit, INT64_MAX, &count));
}

/* More users than are known by name are held to one limit together. */
static void test_R57_many_users_share_one_limit(void **state)
{
    struct log_limit *limit = *state;
    unsigned admitted = 0, told = 0, several = 0;
    struct log_limit_count count;

    for (uint32_t account = 0; account < FLOOD; account++)
        admitted += admit(limit, LOG_EVENT_CONNECTION_REFUSED, account, 0, 2 * LOG_LIMIT_LINES);
    assert_int_equal(admitted, (LOG_LIMIT_ACCOUNTS + 1) * LOG_LIMIT_LINES);
    while (log_limit_ended(limit, INT64_MAX, &count)) {
        several += count.several;
        told++;
    }
    assert_int_equal(told, LOG_LIMIT_ACCOUNTS + 1);
    assert_int_equal(several, 1);
    /* And all of it is forgotten by that. */
    assert_int_equal(admit(limit, LOG_EVENT_CONNECTION_REFUSED, 1, 0, FLOOD), LOG_LIMIT_LINES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R57_a_flood_is_cut_and_counted),
        TEST(test_R57_each_user_and_event_has_a_limit_of_its_own),
        TEST(test_R57_few_lines_are_all_written),
        TEST(test_R57_many_users_share_one_limit),
    };

    return cmocka_run_group_tests_name("log-limit", tests, NULL, NULL);
}
