/* SPDX-License-Identifier: BSD-2-Clause */
/* Each account's own count of wrong passwords. */
#include "rm/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)

static const struct tries_rule usual = {.limit = 32, .recovery = 600};

static void test_R83_a_third_is_an_accounts_budget(void **state)
{
    static const struct {
        uint32_t limit, budget;
    } cases[] = {{32, 10}, {9, 3}, {8, 2}, {3, 1}, {2, 1}, {1, 1}, {UINT32_MAX, UINT32_MAX / 3}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) - 1; i++) {
        struct tries tries = {0};
        struct tries_rule rule = {.limit = cases[i].limit, .recovery = 600};

        for (uint32_t k = 0; k < cases[i].budget; k++) {
            assert_int_equal(tries_wait(&tries, &rule, 1000, 5), 0);
            tries_add(&tries, &rule, 1000, 5);
        }
        assert_int_equal(tries_wait(&tries, &rule, 1000, 5), 600 * SECOND);
        assert_int_equal(tries_wait(&tries, &rule, 1001, 5), 0);
    }
}

/* At the pace of the TPM's own count, so that one account alone never brings that to its limit. */
static void test_R83_one_try_comes_back_in_each_recovery_time(void **state)
{
    struct tries tries = {0};
    int64_t now = 5, end = now + 1000 * 600 * SECOND;
    int64_t chip_since = now;
    unsigned chip = 0, most = 0;

    (void)state;
    for (; now < end; now += 7 * SECOND) {
        for (; chip > 0 && now - chip_since >= 600 * SECOND; chip--)
            chip_since += 600 * SECOND;
        while (tries_wait(&tries, &usual, 1000, now) == 0) {
            if (chip++ == 0)
                chip_since = now;
            tries_add(&tries, &usual, 1000, now);
        }
        most = chip > most ? chip : most;
        assert_in_range(tries_wait(&tries, &usual, 1000, now), 1, 600 * SECOND);
    }
    assert_int_equal(most, 10);
}

static void test_R83_a_count_wears_off_whole(void **state)
{
    struct tries tries = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        tries_add(&tries, &usual, 1000, 0);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 599 * SECOND), 1 * SECOND);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 600 * SECOND), 0);
    tries_add(&tries, &usual, 1000, 601 * SECOND);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 601 * SECOND), 599 * SECOND);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 20 * 600 * SECOND), 0);
    assert_int_equal(tries.used, 0);
}

static void test_R83_what_does_not_protect_counts_nothing(void **state)
{
    static const struct tries_rule off[] = {{.limit = 32, .recovery = 0},
                                            {.limit = 0, .recovery = 600}};
    struct tries tries = {0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0; k < 40; k++)
            tries_add(&tries, &off[i], 1000, 5);
        assert_int_equal(tries_wait(&tries, &off[i], 1000, 5), 0);
        assert_int_equal(tries.used, 0);
    }
    /* A rule that changes to one of these lets everybody go on. */
    for (unsigned k = 0; k < 40; k++)
        tries_add(&tries, &usual, 1000, 5);
    assert_int_not_equal(tries_wait(&tries, &usual, 1000, 5), 0);
    assert_int_equal(tries_wait(&tries, &off[0], 1000, 5), 0);
    tries_clear(&tries);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 5), 0);
}

static void test_R83_more_accounts_than_there_are_counts(void **state)
{
    static const struct tries_rule short_rule = {.limit = 9, .recovery = 600};
    struct tries tries = {0};

    (void)state;
    for (uint32_t account = 0; account < TRIES_ACCOUNTS; account++)
        tries_add(&tries, &short_rule, account, 0);
    /* Further ones have one budget together, and leave those before theirs. */
    for (uint32_t account = 2000; account < 2003; account++) {
        assert_int_equal(tries_wait(&tries, &short_rule, account, 1), 0);
        tries_add(&tries, &short_rule, account, 1);
    }
    assert_int_not_equal(tries_wait(&tries, &short_rule, 3000, 1), 0);
    for (uint32_t account = 0; account < TRIES_ACCOUNTS; account++)
        assert_int_equal(tries_wait(&tries, &short_rule, account, 1), 0);
    assert_int_equal(tries_wait(&tries, &short_rule, 3000, 601 * SECOND), 0);
}

static void test_R83_a_clock_that_was_set_back(void **state)
{
    struct tries tries = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        tries_add(&tries, &usual, 1000, 100 * 600 * SECOND);
    assert_int_equal(tries_wait(&tries, &usual, 1000, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R83_a_third_is_an_accounts_budget),
        cmocka_unit_test(test_R83_one_try_comes_back_in_each_recovery_time),
        cmocka_unit_test(test_R83_a_count_wears_off_whole),
        cmocka_unit_test(test_R83_what_does_not_protect_counts_nothing),
        cmocka_unit_test(test_R83_more_accounts_than_there_are_counts),
        cmocka_unit_test(test_R83_a_clock_that_was_set_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
