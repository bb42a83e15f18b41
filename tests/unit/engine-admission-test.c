/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares of connections: what each account may have, and what is left for the next. */
#include "base/log.h"
#include "engine/admission.h"
#include "lock-probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MANY 1024

struct charges {
    struct users users;
    struct admission admission;
    struct user *taken[MANY + 1];
    struct admission_unknown *unknown[ADMISSION_UNKNOWN + 1];
    unsigned count, unknown_count;
    unsigned most; /* that an account may have; 0: no limit */
};

static void charges_open(struct charges *charges, unsigned max, unsigned most)
{
    *charges = (struct charges){.most = most};
    assert_int_equal(users_init(&charges->users), 0);
    admission_init(&charges->admission, &charges->users, max);
    admission_set_open(&charges->admission, true);
}

static void charges_close(struct charges *charges)
{
    while (charges->count > 0)
        admission_leave(&charges->admission, charges->taken[--charges->count]);
    while (charges->unknown_count > 0)
        admission_leave_unknown(&charges->admission, charges->unknown[--charges->unknown_count]);
    /* Nobody was served, so nobody is remembered. */
    assert_true(list_empty(&charges->users.all));
    admission_clear(&charges->admission);
    users_clear(&charges->users);
}

/* Takes all that a user of whom nothing is known gets. How many. */
static unsigned take_all_unknown(struct charges *charges, uint32_t uid)
{
    unsigned before = charges->unknown_count;

    while (
        admission_enter_unknown(&charges->admission, uid, &charges->unknown[charges->unknown_count])
        == 0)
        charges->unknown_count++;
    return charges->unknown_count - before;
}

/* Takes all that the account gets. How many; why no more in *error. */
static unsigned take_all(struct charges *charges, uint32_t account, int *error)
{
    unsigned before = charges->count;

    while ((*error = admission_enter(&charges->admission, account, charges->most,
                                     &charges->taken[charges->count]))
           == 0)
        charges->count++;
    return charges->count - before;
}

static void test_R54_root_has_a_reserve_of_connections(void **state)
{
    static struct charges charges;
    int error;

    (void)state;
    charges_open(&charges, MANY, 0);
    for (uint32_t account = 1000; account < 1100; account++)
        take_all(&charges, account, &error);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(charges.count, MANY - 8);
    assert_int_equal(take_all(&charges, ACCOUNT_ROOT, &error), 8);
    assert_int_equal(error, -EUSERS);
    charges_close(&charges);
}

static void test_R54_a_user_gets_half_of_what_is_left(void **state)
{
    static struct charges charges;
    int error;

    (void)state;
    charges_open(&charges, MANY, 0);
    assert_int_equal(take_all(&charges, 1000, &error), 508);
    assert_int_equal(error, -EDQUOT);
    assert_int_equal(take_all(&charges, 1001, &error), 254);
    assert_int_equal(take_all(&charges, 1000, &error), 0);
    assert_int_equal(take_all(&charges, 1002, &error), 127);
    charges_close(&charges);
}

static void test_R54_ten_users_do_not_shut_out_the_next(void **state)
{
    static struct charges charges;
    int error;

    (void)state;
    charges_open(&charges, MANY, 0);
    for (uint32_t account = 1000; account < 1010; account++)
        assert_in_range(take_all(&charges, account, &error), 1, MANY / 2);
    assert_in_range(take_all(&charges, 1010, &error), 1, MANY / 2);
    charges_close(&charges);
}

static void test_R54_root_may_take_what_is_there(void **state)
{
    static struct charges charges;
    int error;

    (void)state;
    charges_open(&charges, 64, 5);
    assert_int_equal(take_all(&charges, 1000, &error), 5);
    assert_int_equal(error, -EDQUOT);
    assert_int_equal(take_all(&charges, ACCOUNT_ROOT, &error), 59);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(take_all(&charges, 1001, &error), 0);
    assert_int_equal(error, -EUSERS);
    /* What root holds counts as its reserve first. */
    while (charges.count > 55)
        admission_leave(&charges.admission, charges.taken[--charges.count]);
    assert_int_equal(take_all(&charges, 1001, &error), 1);
    charges_close(&charges);
}

/* Of few connections the reserve is small, and each user gets something as long as there is any. */
static void test_R54_few_connections_are_shared_too(void **state)
{
    static const struct {
        unsigned max, first, second, root;
    } cases[] = {
        {1, 1, 0, 0}, {2, 1, 1, 0}, {3, 2, 1, 0}, {4, 2, 1, 1}, {8, 3, 2, 3}, {16, 6, 3, 7},
    };
    static struct charges charges;
    int error;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        charges_open(&charges, cases[i].max, 0);
        assert_int_equal(take_all(&charges, 1000, &error), cases[i].first);
        assert_int_equal(take_all(&charges, ACCOUNT_GUESTS, &error), cases[i].second);
        assert_int_equal(take_all(&charges, ACCOUNT_ROOT, &error), cases[i].root);
        charges_close(&charges);
    }
}

/* Who is seen as whichever users of its blocks it likes takes nothing from those who are known, and
 * leaves something for those who are not known yet. */
static void test_R74_other_limits_hold_for_who_comes_next(void **state)
{
    static struct charges charges;
    int error;

    (void)state;
    charges_open(&charges, 64, 5);
    assert_int_equal(take_all(&charges, 1000, &error), 5);
    charges.most = 7;
    assert_int_equal(take_all(&charges, 1000, &error), 2);
    admission_set_max(&charges.admission, 7);
    assert_int_equal(take_all(&charges, ACCOUNT_ROOT, &error), 0);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(take_all(&charges, 1001, &error), 0);
    admission_set_max(&charges.admission, 8);
    assert_int_equal(take_all(&charges, ACCOUNT_ROOT, &error), 1);
    charges_close(&charges);
}

static void test_R54_unknown_users_take_nothing_from_others(void **state)
{
    static struct charges charges;
    struct user *member;
    int error;

    (void)state;
    charges_open(&charges, 64, 0);
    take_all(&charges, ACCOUNT_GUESTS, &error);
    for (uint32_t uid = 300000; uid < 300000 + 3 * ACCOUNT_BLOCK; uid += 64)
        take_all_unknown(&charges, uid); /* four blocks, as the first begins in the middle of one */
    assert_in_range(take_all(&charges, 1000, &error), (64 - 8) / 4, (64 - 8) / 4);
    assert_in_range(take_all_unknown(&charges, 1002), 4, ADMISSION_UNKNOWN / 2);
    /* One that becomes known is on its account. */
    charges.unknown_count--;
    assert_int_equal(admission_settle(&charges.admission, 1002, 0,
                                      charges.unknown[charges.unknown_count], &member),
                     0);
    assert_int_equal(member->account, 1002);
    admission_leave(&charges.admission, member);
    charges_close(&charges);
}

/* One user of whom nothing is known yet leaves something for others of its block. */
static void test_R54_one_unknown_user_leaves_places_for_the_next(void **state)
{
    static struct charges charges;

    (void)state;
    charges_open(&charges, MANY, 0);
    assert_in_range(take_all_unknown(&charges, 1000), 16, ADMISSION_UNKNOWN / 4);
    assert_in_range(take_all_unknown(&charges, 1002), 8, ADMISSION_UNKNOWN / 8);
    for (uint32_t uid = 1004; uid < 1010; uid += 2)
        assert_in_range(take_all_unknown(&charges, uid), 1, ADMISSION_UNKNOWN / 16);
    assert_in_range(take_all_unknown(&charges, 300000), 8, ADMISSION_UNKNOWN / 4);
    charges_close(&charges);
    assert_int_equal(charges.admission.unknown.others, 0);
}

/* A user's own limit is not that of its block. */
static void test_R54_a_limit_of_one_user_is_not_its_neighbours(void **state)
{
    static struct charges charges;
    struct admission_unknown *one, *two;
    struct user *user, *none;

    (void)state;
    charges_open(&charges, 64, 1);
    assert_int_equal(admission_enter_unknown(&charges.admission, 1000, &one), 0);
    assert_int_equal(admission_enter_unknown(&charges.admission, 1002, &two), 0);
    assert_int_equal(admission_settle(&charges.admission, 1000, 1, one, &user), 0);
    assert_int_equal(admission_settle(&charges.admission, 1000, 1, two, &none), -EDQUOT);
    assert_null(none);
    admission_leave(&charges.admission, user);
    charges_close(&charges);
}

static struct user *shared_user;
static struct admission_unknown *shared_unknown;

static void call_set_limits(void *data)
{
    admission_set_max(data, 64);
}

static void call_set_open(void *data)
{
    admission_set_open(data, true);
}

static void call_enter_unknown(void *data)
{
    admission_enter_unknown(data, 1000, &shared_unknown);
}

static void call_settle(void *data)
{
    admission_settle(data, 1000, 0, shared_unknown, &shared_user);
}

static void call_leave(void *data)
{
    admission_leave(data, shared_user);
}

static void call_enter(void *data)
{
    admission_enter(data, 1000, 0, &shared_user);
}

static void call_leave_unknown(void *data)
{
    admission_leave_unknown(data, shared_unknown);
}

static void test_one_thread_at_a_time(void **state)
{
    void (*const calls[])(void *data) = {call_set_limits, call_set_open,      call_enter_unknown,
                                         call_settle,     call_leave,         call_enter,
                                         call_leave,      call_enter_unknown, call_leave_unknown};
    struct admission admission;
    struct users users;

    (void)state;
    assert_int_equal(users_init(&users), 0);
    admission_init(&admission, &users, 64);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_true(lock_probe_waits(&users.lock, calls[i], &admission));
    admission_clear(&admission);
    users_clear(&users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R54_root_has_a_reserve_of_connections),
        cmocka_unit_test(test_R54_a_user_gets_half_of_what_is_left),
        cmocka_unit_test(test_R54_ten_users_do_not_shut_out_the_next),
        cmocka_unit_test(test_R54_root_may_take_what_is_there),
        cmocka_unit_test(test_R54_few_connections_are_shared_too),
        cmocka_unit_test(test_R74_other_limits_hold_for_who_comes_next),
        cmocka_unit_test(test_R54_unknown_users_take_nothing_from_others),
        cmocka_unit_test(test_R54_one_unknown_user_leaves_places_for_the_next),
        cmocka_unit_test(test_one_thread_at_a_time),
        cmocka_unit_test(test_R54_a_limit_of_one_user_is_not_its_neighbours),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests_name("engine-admission", tests, NULL, NULL);
}
