/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service, one turn after the other: who is next by the shares, and where the times stand,
 * to the nanosecond. */
#include "scheduler-steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS STEPS_MS

static void test_equals_are_first_come_first_served(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_add(2, 1000);
    assert_null(scheduler_pick(&steps_scheduler));
    steps_ask(2, MS);
    steps_ask(1, MS);
    steps_ask(0, MS);
    steps_expect_fair(2, MS);
    steps_expect_fair(1, MS);
    steps_expect_fair(0, MS);
    assert_false(scheduler_waiting(&steps_scheduler));
    assert_int_equal(steps_user(0)->virtual_time, 2 * MS);
    assert_int_equal(steps_user(1)->virtual_time, MS);
    assert_int_equal(steps[0].turn.virtual_time, MS);
    assert_int_equal(steps[2].turn.virtual_time, MS);
}

static void test_times_move_by_the_weight(void **state)
{
    (void)state;
    steps_add_as(0, 1000, SCHEDULER_LOW);
    steps_add_as(1, 1001, SCHEDULER_NORMAL);
    steps_add_as(2, 1002, SCHEDULER_HIGH);
    steps_ask(0, 0);
    steps_ask(1, 0);
    steps_ask(2, 0);
    steps_expect_fair(0, 16 * MS);
    steps_expect_fair(1, 16 * MS);
    steps_expect_fair(2, 16 * MS);
    assert_int_equal(steps_user(0)->virtual_time, 64 * MS);
    assert_int_equal(steps_user(1)->virtual_time, 16 * MS);
    assert_int_equal(steps_user(2)->virtual_time, 4 * MS);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(steps[i].turn.virtual_time, 16 * MS);
    scheduler_bill(&steps_scheduler, &steps[2].turn, 4 * MS);
    assert_int_equal(steps_user(2)->virtual_time, 5 * MS);
    assert_int_equal(steps[2].turn.virtual_time, 20 * MS);
}

/* No cost, and no guess, comes near the end of the numbers. */
static void test_costs_are_bounded(void **state)
{
    const uint64_t most = (uint64_t)INT64_MAX / 64;

    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_ask(0, UINT64_MAX);
    assert_int_equal(steps[0].turn.expected, most);
    steps_ask(1, most);
    assert_int_equal(steps[1].turn.expected, most);
    steps_expect_fair(0, UINT64_MAX);
    assert_int_equal(steps_user(0)->virtual_time, most);
}

/* A user, and a client, that rested lag behind by the credit, and not by more. */
static void test_R38_credit_is_exact(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_add(2, 1000);
    steps_ask(0, 0);
    steps_expect_fair(0, SCHEDULER_CREDIT + 5 * MS);
    steps_ask(0, 0);
    /* The time of a turn is that of its beginning. */
    steps_ask(1, 0);
    steps_expect_fair(1, 0);
    steps_expect_fair(0, MS);
    steps_ask(1, 0);
    steps_ask(2, 0);
    assert_int_equal(steps_scheduler.fair.virtual_time, SCHEDULER_CREDIT + 5 * MS);
    assert_int_equal(steps_user(1)->virtual_time, 5 * MS);
    assert_int_equal(steps[2].turn.virtual_time, 5 * MS);
    /* Who rested for less has all of it. */
    steps_expect_fair(1, 10 * MS);
    steps_ask(1, 0);
    assert_int_equal(steps_user(1)->virtual_time, 15 * MS);
    /* A client that is new has its user's time, and a user that is new that of all. */
    steps_add(3, 1000);
    steps_add(4, 1002);
    assert_int_equal(steps[3].turn.virtual_time, SCHEDULER_CREDIT + 5 * MS);
    assert_int_equal(steps_user(4)->virtual_time, SCHEDULER_CREDIT + 5 * MS);
}

static void test_the_head_goes_first_without_a_cost(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    assert_null(scheduler_unrated(&steps_scheduler));
    /* Of who has nothing to run no cost is known. */
    scheduler_rate(&steps_scheduler, &steps[0].turn, 9 * MS);
    scheduler_ready(&steps_scheduler, &steps[0].turn);
    /* Nobody else waits. */
    assert_null(scheduler_unrated(&steps_scheduler));
    scheduler_ready(&steps_scheduler, &steps[1].turn);
    assert_ptr_equal(scheduler_unrated(&steps_scheduler), &steps[0].turn);
    scheduler_rate(&steps_scheduler, &steps[1].turn, MS);
    assert_ptr_equal(scheduler_unrated(&steps_scheduler), &steps[0].turn);
    steps_expect_fair(0, MS);
    steps_ask(0, 3 * MS);
    /* Nor does a word that comes twice count. */
    scheduler_rate(&steps_scheduler, &steps[0].turn, 9 * MS);
    assert_int_equal(steps[0].turn.expected, 3 * MS);
    assert_null(scheduler_unrated(&steps_scheduler));
    scheduler_ready(&steps_scheduler, &steps[0].turn);
    assert_int_equal(steps[0].turn.expected, 3 * MS);
}

/* Clients that leave in the middle of a turn: the one that has it, and the one that it passed. */
static void test_leaving_in_the_middle_of_a_turn(void **state)
{
    struct scheduler_user *passed, *user;
    uint64_t time;

    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    passed = steps_user(0);
    steps_ask(0, 40 * MS);
    steps_ask(1, 10 * MS);
    assert_ptr_equal(scheduler_pick(&steps_scheduler), &steps[1].turn);
    assert_ptr_equal(steps_scheduler.turn.passed, &steps[0].turn);
    user = steps_user(1);
    steps_add(2, 1002);
    scheduler_remove(&steps_scheduler, &steps[2].turn);
    assert_ptr_equal(steps_scheduler.turn.client, &steps[1].turn);
    assert_ptr_equal(steps_scheduler.turn.passed, &steps[0].turn);
    scheduler_remove(&steps_scheduler, &steps[0].turn);
    assert_ptr_equal(steps_scheduler.turn.client, &steps[1].turn);
    assert_null(steps_scheduler.turn.passed);
    scheduler_remove(&steps_scheduler, &steps[1].turn);
    assert_null(steps_scheduler.turn.client);
    assert_ptr_equal(steps_scheduler.turn.user, user);
    scheduler_charge(&steps_scheduler, 10 * MS);
    /* It is remembered for what it used of the lane, and for its time; the other one is not. */
    assert_int_equal(user->clients, 0);
    assert_false(scheduler_user_rests(&steps_scheduler, user));
    assert_true(scheduler_user_rests(&steps_scheduler, passed));
    time = user->virtual_time;
    steps_add(0, 1001);
    assert_int_equal(user->virtual_time, time);
}

/* A user that owes nothing begins anew; one that owes, or has clients, goes on. */
static void test_user_begins_anew_when_it_rests(void **state)
{
    struct scheduler_user *user;

    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    user = steps_user(0);
    assert_false(scheduler_user_rests(&steps_scheduler, user));
    steps_ask(0, 0);
    steps_expect_fair(0, 5 * MS);
    scheduler_remove(&steps_scheduler, &steps[0].turn);
    assert_false(scheduler_user_rests(&steps_scheduler, user));
    steps_add_as(2, 1000, SCHEDULER_HIGH);
    assert_int_equal(user->virtual_time, 5 * MS);
    assert_int_equal(user->priority, SCHEDULER_NORMAL);
    scheduler_remove(&steps_scheduler, &steps[2].turn);
    for (unsigned i = 0; i < 3; i++) {
        steps_ask(1, 0);
        steps_expect_fair(1, 5 * MS);
    }
    assert_true(scheduler_user_rests(&steps_scheduler, user));
    steps_add_as(2, 1000, SCHEDULER_HIGH);
    assert_int_equal(user->virtual_time, 10 * MS);
    assert_int_equal(user->priority, SCHEDULER_HIGH);
    /* One that has clients keeps its priority. */
    steps_add_as(3, 1000, SCHEDULER_LOW);
    assert_int_equal(user->priority, SCHEDULER_HIGH);
}

int main(void)
{
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, steps_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_equals_are_first_come_first_served),
        STEP_TEST(test_times_move_by_the_weight),
        STEP_TEST(test_costs_are_bounded),
        STEP_TEST(test_R38_credit_is_exact),
        STEP_TEST(test_the_head_goes_first_without_a_cost),
        STEP_TEST(test_leaving_in_the_middle_of_a_turn),
        STEP_TEST(test_user_begins_anew_when_it_rests),
    };
#undef STEP_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
