/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares of connections: what each account may have, and what is left for the next. */
#include "base/log.h"
#include "engine/admission.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MANY 1024

struct seats {
    struct admission admission;
    struct admission_seat *taken[MANY + 1];
    unsigned count;
};

static void seats_open(struct seats *seats, unsigned max, unsigned max_per_user)
{
    *seats = (struct seats){0};
    assert_int_equal(admission_init(&seats->admission, max, max_per_user), 0);
    admission_set_open(&seats->admission, true);
}

static void seats_close(struct seats *seats)
{
    while (seats->count > 0)
        admission_leave(&seats->admission, seats->taken[--seats->count]);
    admission_clear(&seats->admission);
}

/* Takes all that a user of whom nothing is known gets. How many. */
static unsigned take_all_unknown(struct seats *seats, uint32_t uid)
{
    unsigned before = seats->count;

    while (admission_enter_unknown(&seats->admission, uid, &seats->taken[seats->count]) == 0)
        seats->count++;
    return seats->count - before;
}

/* Takes all that the account gets. How many; why no more in *error. */
static unsigned take_all(struct seats *seats, uint32_t account, int *error)
{
    unsigned before = seats->count;

    while ((*error = admission_enter(&seats->admission, account, &seats->taken[seats->count])) == 0)
        seats->count++;
    return seats->count - before;
}

static void test_R54_root_has_a_reserve_of_connections(void **state)
{
    static struct seats seats;
    int error;

    (void)state;
    seats_open(&seats, MANY, 0);
    for (uint32_t account = 1000; account < 1100; account++)
        take_all(&seats, account, &error);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(seats.count, MANY - 8);
    assert_int_equal(take_all(&seats, ACCOUNT_ROOT, &error), 8);
    assert_int_equal(error, -EUSERS);
    seats_close(&seats);
}

static void test_R54_a_user_gets_half_of_what_is_left(void **state)
{
    static struct seats seats;
    int error;

    (void)state;
    seats_open(&seats, MANY, 0);
    assert_int_equal(take_all(&seats, 1000, &error), 508);
    assert_int_equal(error, -EDQUOT);
    assert_int_equal(take_all(&seats, 1001, &error), 254);
    assert_int_equal(take_all(&seats, 1000, &error), 0);
    assert_int_equal(take_all(&seats, 1002, &error), 127);
    seats_close(&seats);
}

static void test_R54_ten_users_do_not_shut_out_the_next(void **state)
{
    static struct seats seats;
    int error;

    (void)state;
    seats_open(&seats, MANY, 0);
    for (uint32_t account = 1000; account < 1010; account++)
        assert_in_range(take_all(&seats, account, &error), 1, MANY / 2);
    assert_in_range(take_all(&seats, 1010, &error), 1, MANY / 2);
    seats_close(&seats);
}

static void test_R54_root_may_take_what_is_there(void **state)
{
    static struct seats seats;
    int error;

    (void)state;
    seats_open(&seats, 64, 5);
    assert_int_equal(take_all(&seats, 1000, &error), 5);
    assert_int_equal(error, -EDQUOT);
    assert_int_equal(take_all(&seats, ACCOUNT_ROOT, &error), 59);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(take_all(&seats, 1001, &error), 0);
    assert_int_equal(error, -EUSERS);
    /* What root holds counts as its reserve first. */
    while (seats.count > 55)
        admission_leave(&seats.admission, seats.taken[--seats.count]);
    assert_int_equal(take_all(&seats, 1001, &error), 1);
    seats_close(&seats);
}

/* Of few connections the reserve is small, and each user gets something as long as there is any. */
static void test_R54_few_connections_are_shared_too(void **state)
{
    static const struct {
        unsigned max, first, second, root;
    } cases[] = {
        {1, 1, 0, 0}, {2, 1, 1, 0}, {3, 2, 1, 0}, {4, 2, 1, 1}, {8, 3, 2, 3}, {16, 6, 3, 7},
    };
    static struct seats seats;
    int error;

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        seats_open(&seats, cases[i].max, 0);
        assert_int_equal(take_all(&seats, 1000, &error), cases[i].first);
        assert_int_equal(take_all(&seats, ACCOUNT_GUESTS, &error), cases[i].second);
        assert_int_equal(take_all(&seats, ACCOUNT_ROOT, &error), cases[i].root);
        seats_close(&seats);
    }
}

/* Who is seen as whichever users of its blocks it likes takes nothing from those who are known, and
 * leaves something for those who are not known yet. */
static void test_R74_other_limits_hold_for_who_comes_next(void **state)
{
    static struct seats seats;
    int error;

    (void)state;
    seats_open(&seats, 64, 5);
    assert_int_equal(take_all(&seats, 1000, &error), 5);
    admission_set_limits(&seats.admission, 64, 7);
    assert_int_equal(take_all(&seats, 1000, &error), 2);
    admission_set_limits(&seats.admission, 7, 7);
    assert_int_equal(take_all(&seats, ACCOUNT_ROOT, &error), 0);
    assert_int_equal(error, -EUSERS);
    assert_int_equal(take_all(&seats, 1001, &error), 0);
    admission_set_limits(&seats.admission, 8, 7);
    assert_int_equal(take_all(&seats, ACCOUNT_ROOT, &error), 1);
    seats_close(&seats);
}

static void test_R54_unknown_users_take_nothing_from_others(void **state)
{
    static struct seats seats;
    struct admission_seat *member;
    int error;

    (void)state;
    seats_open(&seats, 64, 0);
    take_all(&seats, ACCOUNT_GUESTS, &error);
    for (uint32_t uid = 300000; uid < 300000 + 3 * ACCOUNT_BLOCK; uid += 64)
        take_all_unknown(&seats, uid); /* four blocks, as the first begins in the middle of one */
    assert_in_range(take_all(&seats, 1000, &error), (64 - 8) / 4, (64 - 8) / 4);
    assert_in_range(take_all_unknown(&seats, 1002), 4, ADMISSION_UNKNOWN / 2);
    /* One that becomes known is on its account. */
    member = seats.taken[--seats.count];
    assert_int_equal(admission_settle(&seats.admission, 1002, &member), 0);
    assert_int_equal(member->account, 1002);
    admission_leave(&seats.admission, member);
    seats_close(&seats);
}

/* One user of whom nothing is known yet leaves something for others of its block. */
static void test_R54_one_unknown_user_leaves_places_for_the_next(void **state)
{
    static struct seats seats;

    (void)state;
    seats_open(&seats, MANY, 0);
    assert_in_range(take_all_unknown(&seats, 1000), 16, ADMISSION_UNKNOWN / 4);
    assert_in_range(take_all_unknown(&seats, 1002), 8, ADMISSION_UNKNOWN / 8);
    for (uint32_t uid = 1004; uid < 1010; uid += 2)
        assert_in_range(take_all_unknown(&seats, uid), 1, ADMISSION_UNKNOWN / 16);
    assert_in_range(take_all_unknown(&seats, 300000), 8, ADMISSION_UNKNOWN / 4);
    seats_close(&seats);
    assert_int_equal(seats.admission.unknown.others, 0);
}

/* A user's own limit is not that of its block. */
static void test_R54_a_limit_of_one_user_is_not_its_neighbours(void **state)
{
    static struct seats seats;
    struct admission_seat *one, *two;

    (void)state;
    seats_open(&seats, 64, 1);
    assert_int_equal(admission_enter_unknown(&seats.admission, 1000, &one), 0);
    assert_int_equal(admission_enter_unknown(&seats.admission, 1002, &two), 0);
    assert_int_equal(admission_settle(&seats.admission, 1000, &one), 0);
    assert_int_equal(admission_settle(&seats.admission, 1000, &two), -EDQUOT);
    assert_null(two);
    admission_leave(&seats.admission, one);
    seats_close(&seats);
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
        cmocka_unit_test(test_R54_a_limit_of_one_user_is_not_its_neighbours),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests_name("engine-admission", tests, NULL, NULL);
}
