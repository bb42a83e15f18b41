/* SPDX-License-Identifier: BSD-2-Clause */
/* Who passes the head in the express lane and in the affinity lane, and who just does not. */
#include "scheduler-steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS STEPS_MS

static int64_t savings_of(unsigned index)
{
    return scheduler_user_savings(&steps_scheduler, steps_user(index));
}

/* A fourth of the head's, and not a nanosecond more. */
static void test_R50_what_is_express(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_ask(0, 40 * MS);
    steps_ask(1, 10 * MS + 1);
    steps_expect_fair(0, 40 * MS);
    steps_expect_fair(1, 40 * MS);
    steps_ask(0, 40 * MS);
    steps_ask(1, 10 * MS);
    steps_expect_express(1, 10 * MS);
    assert_int_equal(steps[0].turn.delayed, 10 * MS);
    steps_expect_fair(0, 40 * MS);
    steps_ask(0, 40 * MS);
    assert_int_equal(steps[0].turn.delayed, 0);
}

/* The wait of the head is lengthened by what it takes itself, and by the bound at most. */
static void test_R50_the_heads_wait_is_exact(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_ask(0, 40 * MS);
    steps_ask(1, 10 * MS);
    steps_expect_express(1, 30 * MS);
    steps_ask(1, 10 * MS);
    steps_expect_express(1, 10 * MS);
    steps_ask(1, 1);
    steps_add(2, 1002);
    steps_ask(2, 0);
    steps_expect_fair(0, 400 * MS);
    steps_expect_fair(2, 0);
    steps_expect_fair(1, 1000 * MS);
    steps_ask(0, 1000 * MS);
    steps_ask(1, 20 * MS);
    steps_expect_express(1, 80 * MS);
    steps_ask(1, 20 * MS + 1);
    steps_expect_fair(0, 1000 * MS);
}

static void test_R50_savings_are_exact(void **state)
{
    const int64_t most = SCHEDULER_EXPRESS_SAVINGS;

    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    assert_int_equal(savings_of(1), most);
    steps_ask(0, 4000 * MS);
    steps_ask(1, 10 * MS);
    steps_expect_express(1, 70 * MS);
    assert_int_equal(savings_of(1), most - 70 * (int64_t)MS);
    /* The lane's own time is none that feeds it; other time is. */
    steps_expect_fair(0, 20 * MS);
    assert_int_equal(savings_of(1), most - 50 * (int64_t)MS);
    steps_ask(0, 4000 * MS);
    steps_ask(1, 60 * MS);
    steps_expect_fair(0, 10 * MS);
    steps_ask(0, 4000 * MS);
    steps_expect_express(1, 60 * MS);
    assert_int_equal(savings_of(1), 0);
    steps_ask(1, 1);
    /* What was used beyond the savings is made up for first. */
    steps_expect_fair(0, 0);
    steps_expect_fair(1, 0);
    steps_ask(0, 4000 * MS);
    steps_expect_fair(0, 1000 * MS);
    assert_int_equal(savings_of(1), most);
    assert_int_equal(savings_of(0), most);
}

/* Of two that may pass the head, who has more savings; else who came first. */
static void test_R50_order_in_the_lane(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        steps_add(i, 1000 + i);
    steps_ask(0, 90 * MS);
    steps_ask(2, 5 * MS);
    steps_ask(1, 6 * MS);
    steps_expect_express(2, 5 * MS);
    steps_ask(2, 5 * MS);
    steps_expect_express(1, 4 * MS);
    steps_ask(1, 6 * MS);
    steps_expect_express(1, 4 * MS);
    steps_ask(1, 6 * MS);
    steps_ask(3, 7 * MS);
    steps_expect_express(3, 7 * MS);
    steps_expect_express(2, 5 * MS);
    steps_expect_express(1, 4 * MS);
    steps_expect_fair(0, 90 * MS);
}

/* Of one user's, the one that is cheaper by half; else the one whose time is less. */
static void test_R50_order_of_one_users_cheap_commands(void **state)
{
    (void)state;
    steps_add(0, 1000);
    for (unsigned i = 1; i < 5; i++)
        steps_add(i, 1001);
    steps_ask(0, 90 * MS);
    steps_ask(1, 12 * MS);
    steps_ask(2, 11 * MS);
    steps_ask(3, 5 * MS);
    steps_expect_express(3, 5 * MS);
    steps_expect_express(1, 12 * MS);
    steps_ask(1, 12 * MS);
    steps_expect_express(2, 11 * MS);
    steps_expect_express(1, 12 * MS);
    steps_expect_fair(0, 0);
}

static void test_R50_priorities_in_the_lane(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add_as(1, 1001, SCHEDULER_LOW);
    steps_add_as(2, 1002, SCHEDULER_HIGH);
    steps_add(3, 1003);
    steps_ask(0, 90 * MS);
    steps_ask(1, 5 * MS);
    steps_ask(3, 5 * MS);
    steps_ask(2, 5 * MS);
    steps_expect_express(2, 50 * MS);
    steps_ask(2, 5 * MS);
    steps_expect_express(2, 5 * MS);
    steps_expect_express(3, 5 * MS);
    /* Nobody is passed by a lower priority. */
    steps_expect_fair(0, 90 * MS);
}

/* The lane's time is no debt, nor does it leave who used it behind the head. */
static void test_R50_where_the_lane_leaves_the_times(void **state)
{
    (void)state;
    steps_add_as(0, 1000, SCHEDULER_NORMAL);
    steps_add_as(1, 1001, SCHEDULER_HIGH);
    steps_add(2, 1001);
    steps_ask(0, 8 * MS);
    steps_ask(1, 2 * MS);
    steps_expect_express(1, 4 * MS);
    /* By its weight, and no further than one command of the head's. */
    assert_int_equal(steps_user(1)->virtual_time, MS);
    assert_int_equal(steps[1].turn.virtual_time, 4 * MS);
    steps_ask(1, 2 * MS);
    steps_expect_express(1, 40 * MS);
    assert_int_equal(steps_user(1)->virtual_time, 8 * MS);
    assert_int_equal(steps[1].turn.virtual_time, 8 * MS);
    steps_expect_fair(0, 8 * MS);
    /* Among clients of one user the user's time moves, and the client's to the limit. */
    steps_ask(2, 40 * MS);
    steps_ask(1, 2 * MS);
    steps_expect_express(1, 40 * MS);
    assert_int_equal(steps_user(1)->virtual_time, 18 * MS);
    assert_int_equal(steps[1].turn.virtual_time, 40 * MS);
    /* Who is ahead of the limit stays there. */
    steps_ask(1, 2 * MS);
    scheduler_bill(&steps_scheduler, &steps[1].turn, 60 * MS);
    assert_int_equal(steps[1].turn.virtual_time, 100 * MS);
    assert_null(steps_scheduler.turn.user);
    steps_expect_fair(2, 40 * MS);
    steps_expect_fair(1, 0);
}

/* A client whose things are in the chip passes one whose things are not; by how much is bounded. */
static void test_R38_the_bound_of_the_affinity_lane(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add(1, 1001);
    steps_ask(1, MS);
    steps_expect_fair(1, 0);
    steps[1].affinity = RM_AFFINITY_RESIDENT;
    steps[0].affinity = RM_AFFINITY_WOULD_EVICT;
    steps_ask(0, 200 * MS);
    steps_ask(1, 100 * MS);
    steps_expect_affinity(1, 100 * MS);
    assert_int_equal(steps[1].turn.virtual_time, 100 * MS);
    steps_ask(1, 51 * MS);
    steps_expect_fair(0, 200 * MS);
    steps_expect_fair(1, 0);
    steps_ask(0, 200 * MS);
    steps_ask(1, 100 * MS + 1);
    scheduler_bill(&steps_scheduler, &steps[0].turn, 0);
    assert_int_equal(steps_scheduler.affinity.used, 100 * MS);
    assert_true(steps_user(1)->virtual_time < steps_user(0)->virtual_time);
    steps_expect_fair(1, 0);
    /* What the lane took before the head began to wait does not lengthen that. */
    steps_expect_fair(0, 0);
    scheduler_bill(&steps_scheduler, &steps[1].turn, 100 * MS + 1);
    steps_ask(0, 200 * MS);
    steps_ask(1, 51 * MS);
    steps_expect_affinity(1, 51 * MS);
}

/* How far ahead of its share the lane takes the second of two clients, which is user `uid`'s: one
 * part in as many as wait, and one more. */
static void expect_lead(void **state, uint32_t uid)
{
    const uint64_t lead = SCHEDULER_AFFINITY_LEAD / 3;

    for (unsigned over = 0; over < 2; over++) {
        steps_setup(state);
        steps_add(0, 1000);
        steps_add(1, uid);
        steps_ask(1, 0);
        steps_expect_fair(1, 30 * MS + lead + over);
        steps[1].affinity = RM_AFFINITY_RESIDENT;
        steps[0].affinity = RM_AFFINITY_WOULD_EVICT;
        steps_ask(0, 30 * MS);
        steps_ask(1, 30 * MS);
        steps_expect(over ? 0 : 1, over ? SCHEDULER_FAIR : SCHEDULER_AFFINITY, 0);
        steps_teardown(state);
    }
    steps_setup(state);
}

static void test_R38_the_lead_of_a_user(void **state)
{
    expect_lead(state, 1001);
}

static void test_R38_the_lead_of_a_client(void **state)
{
    expect_lead(state, 1000);
}

/* Who passes: the one with the least time of those who were served last and have their things
 * there. */
static void test_R38_who_passes_in_the_affinity_lane(void **state)
{
    (void)state;
    steps_add(0, 1000);
    for (unsigned i = 1; i < 5; i++) {
        steps_add(i, 1000 + i);
        steps_ask(i, 0);
        steps_expect_fair(i, (6 - i) * MS);
        steps[i].affinity = RM_AFFINITY_RESIDENT;
    }
    steps[0].affinity = RM_AFFINITY_WOULD_EVICT;
    steps[4].affinity = RM_AFFINITY_NEUTRAL;
    for (unsigned i = 0; i < 5; i++)
        steps_ask(i, 10 * MS);
    steps_expect_affinity(3, 10 * MS);
    steps_expect_affinity(2, 10 * MS);
    steps[0].affinity = RM_AFFINITY_NEUTRAL;
    steps_expect_fair(0, 10 * MS);
    steps_expect_fair(4, 10 * MS);
    steps_expect_fair(1, 10 * MS);
}

/* Nobody of a lower priority passes, and nobody who has nothing to run. */
static void test_R38_who_does_not_pass_in_the_affinity_lane(void **state)
{
    (void)state;
    steps_add(0, 1000);
    steps_add_as(1, 1001, SCHEDULER_LOW);
    steps_add(2, 1002);
    steps_ask(1, 0);
    steps_ask(2, 0);
    steps_expect_fair(1, 0);
    steps_expect_fair(2, 0);
    steps[1].affinity = steps[2].affinity = RM_AFFINITY_RESIDENT;
    steps[0].affinity = RM_AFFINITY_WOULD_EVICT;
    steps_ask(0, 10 * MS);
    steps_ask(1, 10 * MS);
    steps_expect_fair(0, 10 * MS);
    steps_expect_fair(1, 10 * MS);
}

/* As many as were served last are remembered, each once, and none that is gone. */
static void test_R38_those_who_were_served_last(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCHEDULER_RECENT + 1; i++) {
        steps_add(i, 1000);
        steps_ask(i, 0);
        steps_expect_fair(i, MS);
    }
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++)
        assert_ptr_equal(steps_scheduler.affinity.recent[i], &steps[SCHEDULER_RECENT - i].turn);
    steps_ask(5, 0);
    steps_expect_fair(5, 0);
    assert_ptr_equal(steps_scheduler.affinity.recent[0], &steps[5].turn);
    assert_ptr_equal(steps_scheduler.affinity.recent[1], &steps[8].turn);
    assert_ptr_equal(steps_scheduler.affinity.recent[3], &steps[6].turn);
    assert_ptr_equal(steps_scheduler.affinity.recent[4], &steps[4].turn);
    assert_ptr_equal(steps_scheduler.affinity.recent[SCHEDULER_RECENT - 1], &steps[1].turn);
    scheduler_remove(&steps_scheduler, &steps[1].turn);
    scheduler_remove(&steps_scheduler, &steps[5].turn);
    assert_null(steps_scheduler.affinity.recent[0]);
    assert_null(steps_scheduler.affinity.recent[SCHEDULER_RECENT - 1]);
    assert_ptr_equal(steps_scheduler.affinity.recent[1], &steps[8].turn);
}

int main(void)
{
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, steps_setup, steps_teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_R50_what_is_express),
        STEP_TEST(test_R50_the_heads_wait_is_exact),
        STEP_TEST(test_R50_savings_are_exact),
        STEP_TEST(test_R50_order_in_the_lane),
        STEP_TEST(test_R50_order_of_one_users_cheap_commands),
        STEP_TEST(test_R50_priorities_in_the_lane),
        STEP_TEST(test_R50_where_the_lane_leaves_the_times),
        STEP_TEST(test_R38_the_bound_of_the_affinity_lane),
        STEP_TEST(test_R38_the_lead_of_a_user),
        STEP_TEST(test_R38_the_lead_of_a_client),
        STEP_TEST(test_R38_who_passes_in_the_affinity_lane),
        STEP_TEST(test_R38_who_does_not_pass_in_the_affinity_lane),
        STEP_TEST(test_R38_those_who_were_served_last),
    };
#undef STEP_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
