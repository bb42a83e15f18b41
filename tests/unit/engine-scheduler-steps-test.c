/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service, one turn after the other: who is next, and where the times stand, to the
 * nanosecond. */
#include "engine/scheduler-user.h"
#include "scheduler-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A client, and what it would find in the chip. */
struct one {
    struct scheduler_client turn;
    enum rm_warmth warmth;
};

static struct scheduler scheduler;
static struct one ones[12];

static enum rm_warmth warmth_of(const struct scheduler_client *turn)
{
    return list_entry(turn, struct one, turn)->warmth;
}

static int setup(void **state)
{
    (void)state;
    scheduler_init(&scheduler, warmth_of);
    memset(ones, 0, sizeof(ones));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(ones) / sizeof(ones[0]); i++)
        scheduler_remove(&scheduler, &ones[i].turn);
    scheduler_clear(&scheduler);
    return 0;
}

static void add_as(unsigned index, uint32_t uid, enum scheduler_priority priority)
{
    struct scheduler_user *record = scheduler_user_new();

    assert_non_null(record);
    ones[index].warmth = RM_WARMTH_NONE;
    scheduler_add(&scheduler, &ones[index].turn, uid, priority, record);
}

static void add(unsigned index, uint32_t uid)
{
    add_as(index, uid, SCHEDULER_NORMAL);
}

/* Has a command that is expected to cost that. */
static void ask(unsigned index, uint64_t expected)
{
    scheduler_ready(&scheduler, &ones[index].turn);
    scheduler_rate(&scheduler, &ones[index].turn, expected);
}

static void expect_turn(unsigned index, enum scheduler_lane lane, uint64_t cost)
{
    const struct scheduler_client *picked = scheduler_pick(&scheduler);

    assert_ptr_equal(picked, &ones[index].turn);
    assert_int_equal(scheduler.turn.lane, lane);
    scheduler_charge(&scheduler, cost);
    assert_null(scheduler.turn.user);
}

static void expect_fair(unsigned index, uint64_t cost)
{
    expect_turn(index, SCHEDULER_FAIR, cost);
}

static void expect_express(unsigned index, uint64_t cost)
{
    expect_turn(index, SCHEDULER_EXPRESS, cost);
}

static void expect_affinity(unsigned index, uint64_t cost)
{
    expect_turn(index, SCHEDULER_AFFINITY, cost);
}

static struct scheduler_user *user_of(unsigned index)
{
    return ones[index].turn.user;
}

static int64_t savings_of(unsigned index)
{
    return scheduler_user_savings(&scheduler, user_of(index));
}

static void test_equals_are_first_come_first_served(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    add(2, 1000);
    assert_null(scheduler_pick(&scheduler));
    ask(2, MS);
    ask(1, MS);
    ask(0, MS);
    expect_fair(2, MS);
    expect_fair(1, MS);
    expect_fair(0, MS);
    assert_false(scheduler_waiting(&scheduler));
    assert_int_equal(user_of(0)->virtual_time, 2 * MS);
    assert_int_equal(user_of(1)->virtual_time, MS);
    assert_int_equal(ones[0].turn.virtual_time, MS);
    assert_int_equal(ones[2].turn.virtual_time, MS);
}

static void test_times_move_by_the_weight(void **state)
{
    (void)state;
    add_as(0, 1000, SCHEDULER_LOW);
    add_as(1, 1001, SCHEDULER_NORMAL);
    add_as(2, 1002, SCHEDULER_HIGH);
    ask(0, 0);
    ask(1, 0);
    ask(2, 0);
    expect_fair(0, 16 * MS);
    expect_fair(1, 16 * MS);
    expect_fair(2, 16 * MS);
    assert_int_equal(user_of(0)->virtual_time, 64 * MS);
    assert_int_equal(user_of(1)->virtual_time, 16 * MS);
    assert_int_equal(user_of(2)->virtual_time, 4 * MS);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ones[i].turn.virtual_time, 16 * MS);
    scheduler_bill(&scheduler, &ones[2].turn, 4 * MS);
    assert_int_equal(user_of(2)->virtual_time, 5 * MS);
    assert_int_equal(ones[2].turn.virtual_time, 20 * MS);
}

/* No cost, and no guess, comes near the end of the numbers. */
static void test_costs_are_bounded(void **state)
{
    const uint64_t most = (uint64_t)INT64_MAX / 64;

    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(0, UINT64_MAX);
    assert_int_equal(ones[0].turn.expected, most);
    ask(1, most);
    assert_int_equal(ones[1].turn.expected, most);
    expect_fair(0, UINT64_MAX);
    assert_int_equal(user_of(0)->virtual_time, most);
}

/* A user, and a client, that rested lag behind by the credit, and not by more. */
static void test_R38_credit_is_exact(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    add(2, 1000);
    ask(0, 0);
    expect_fair(0, SCHEDULER_CREDIT + 5 * MS);
    ask(0, 0);
    /* The time of a turn is that of its beginning. */
    ask(1, 0);
    expect_fair(1, 0);
    expect_fair(0, MS);
    ask(1, 0);
    ask(2, 0);
    assert_int_equal(scheduler.fair.virtual_time, SCHEDULER_CREDIT + 5 * MS);
    assert_int_equal(user_of(1)->virtual_time, 5 * MS);
    assert_int_equal(ones[2].turn.virtual_time, 5 * MS);
    /* Who rested for less has all of it. */
    expect_fair(1, 10 * MS);
    ask(1, 0);
    assert_int_equal(user_of(1)->virtual_time, 15 * MS);
    /* A client that is new has its user's time, and a user that is new that of all. */
    add(3, 1000);
    add(4, 1002);
    assert_int_equal(ones[3].turn.virtual_time, SCHEDULER_CREDIT + 5 * MS);
    assert_int_equal(user_of(4)->virtual_time, SCHEDULER_CREDIT + 5 * MS);
}

static void test_the_head_goes_first_without_a_cost(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    assert_null(scheduler_unrated(&scheduler));
    /* Of who has nothing to run no cost is known. */
    scheduler_rate(&scheduler, &ones[0].turn, 9 * MS);
    scheduler_ready(&scheduler, &ones[0].turn);
    /* Nobody else waits. */
    assert_null(scheduler_unrated(&scheduler));
    scheduler_ready(&scheduler, &ones[1].turn);
    assert_ptr_equal(scheduler_unrated(&scheduler), &ones[0].turn);
    scheduler_rate(&scheduler, &ones[1].turn, MS);
    assert_ptr_equal(scheduler_unrated(&scheduler), &ones[0].turn);
    expect_fair(0, MS);
    ask(0, 3 * MS);
    /* Nor does a word that comes twice count. */
    scheduler_rate(&scheduler, &ones[0].turn, 9 * MS);
    assert_int_equal(ones[0].turn.expected, 3 * MS);
    assert_null(scheduler_unrated(&scheduler));
    scheduler_ready(&scheduler, &ones[0].turn);
    assert_int_equal(ones[0].turn.expected, 3 * MS);
}

/* A fourth of the head's, and not a nanosecond more. */
static void test_R50_what_is_express(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(0, 40 * MS);
    ask(1, 10 * MS + 1);
    expect_fair(0, 40 * MS);
    expect_fair(1, 40 * MS);
    ask(0, 40 * MS);
    ask(1, 10 * MS);
    expect_express(1, 10 * MS);
    assert_int_equal(ones[0].turn.delayed, 10 * MS);
    expect_fair(0, 40 * MS);
    ask(0, 40 * MS);
    assert_int_equal(ones[0].turn.delayed, 0);
}

/* The wait of the head is lengthened by what it takes itself, and by the bound at most. */
static void test_R50_the_heads_wait_is_exact(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(0, 40 * MS);
    ask(1, 10 * MS);
    expect_express(1, 30 * MS);
    ask(1, 10 * MS);
    expect_express(1, 10 * MS);
    ask(1, 1);
    add(2, 1002);
    ask(2, 0);
    expect_fair(0, 400 * MS);
    expect_express(2, 0);
    expect_fair(1, 1000 * MS);
    ask(0, 1000 * MS);
    ask(1, 20 * MS);
    expect_express(1, 80 * MS);
    ask(1, 20 * MS + 1);
    expect_fair(0, 1000 * MS);
}

static void test_R50_savings_are_exact(void **state)
{
    const int64_t most = SCHEDULER_EXPRESS_SAVINGS;

    (void)state;
    add(0, 1000);
    add(1, 1001);
    assert_int_equal(savings_of(1), most);
    ask(0, 4000 * MS);
    ask(1, 10 * MS);
    expect_express(1, 70 * MS);
    assert_int_equal(savings_of(1), most - 70 * (int64_t)MS);
    /* The lane's own time is none that feeds it; other time is. */
    expect_fair(0, 20 * MS);
    assert_int_equal(savings_of(1), most - 50 * (int64_t)MS);
    ask(0, 4000 * MS);
    ask(1, 60 * MS);
    expect_fair(0, 10 * MS);
    ask(0, 4000 * MS);
    expect_express(1, 60 * MS);
    assert_int_equal(savings_of(1), 0);
    ask(1, 1);
    /* What was used beyond the savings is made up for first. */
    expect_fair(0, 0);
    expect_fair(1, 0);
    ask(0, 4000 * MS);
    expect_fair(0, 1000 * MS);
    assert_int_equal(savings_of(1), most);
    assert_int_equal(savings_of(0), most);
}

/* Of two that may pass the head, who has more savings; else who came first. */
static void test_R50_order_in_the_lane(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        add(i, 1000 + i);
    ask(0, 90 * MS);
    ask(2, 5 * MS);
    ask(1, 6 * MS);
    expect_express(2, 5 * MS);
    ask(2, 5 * MS);
    expect_express(1, 4 * MS);
    ask(1, 6 * MS);
    expect_express(1, 4 * MS);
    ask(1, 6 * MS);
    ask(3, 7 * MS);
    expect_express(3, 7 * MS);
    expect_express(2, 5 * MS);
    expect_express(1, 4 * MS);
    expect_fair(0, 90 * MS);
}

/* Of one user's, the one that is cheaper by half; else the one whose time is less. */
static void test_R50_order_of_one_users_cheap_commands(void **state)
{
    (void)state;
    add(0, 1000);
    for (unsigned i = 1; i < 5; i++)
        add(i, 1001);
    ask(0, 90 * MS);
    ask(1, 12 * MS);
    ask(2, 11 * MS);
    ask(3, 5 * MS);
    expect_express(3, 5 * MS);
    expect_express(1, 12 * MS);
    ask(1, 12 * MS);
    expect_express(2, 11 * MS);
    expect_express(1, 12 * MS);
    expect_fair(0, 0);
}

static void test_R50_priorities_in_the_lane(void **state)
{
    (void)state;
    add(0, 1000);
    add_as(1, 1001, SCHEDULER_LOW);
    add_as(2, 1002, SCHEDULER_HIGH);
    add(3, 1003);
    ask(0, 90 * MS);
    ask(1, 5 * MS);
    ask(3, 5 * MS);
    ask(2, 5 * MS);
    expect_express(2, 50 * MS);
    ask(2, 5 * MS);
    expect_express(2, 5 * MS);
    expect_express(3, 5 * MS);
    /* Nobody is passed by a lower priority. */
    expect_fair(0, 90 * MS);
}

/* The lane's time is no debt, nor does it leave who used it behind the head. */
static void test_R50_where_the_lane_leaves_the_times(void **state)
{
    (void)state;
    add_as(0, 1000, SCHEDULER_NORMAL);
    add_as(1, 1001, SCHEDULER_HIGH);
    add(2, 1001);
    ask(0, 8 * MS);
    ask(1, 2 * MS);
    expect_express(1, 4 * MS);
    /* By its weight, and no further than one command of the head's. */
    assert_int_equal(user_of(1)->virtual_time, MS);
    assert_int_equal(ones[1].turn.virtual_time, 4 * MS);
    ask(1, 2 * MS);
    expect_express(1, 40 * MS);
    assert_int_equal(user_of(1)->virtual_time, 8 * MS);
    assert_int_equal(ones[1].turn.virtual_time, 8 * MS);
    expect_fair(0, 8 * MS);
    /* Among clients of one user the user's time moves, and the client's to the limit. */
    ask(2, 40 * MS);
    ask(1, 2 * MS);
    expect_express(1, 40 * MS);
    assert_int_equal(user_of(1)->virtual_time, 18 * MS);
    assert_int_equal(ones[1].turn.virtual_time, 40 * MS);
    /* Who is ahead of the limit stays there. */
    ask(1, 2 * MS);
    scheduler_bill(&scheduler, &ones[1].turn, 60 * MS);
    assert_int_equal(ones[1].turn.virtual_time, 100 * MS);
    assert_null(scheduler.turn.user);
    expect_fair(2, 40 * MS);
    expect_fair(1, 0);
}

/* A client whose things are in the chip passes one whose things are not; by how much is bounded. */
static void test_R38_the_bound_of_the_affinity_lane(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(1, MS);
    expect_fair(1, 0);
    ones[1].warmth = RM_WARMTH_WARM;
    ones[0].warmth = RM_WARMTH_COLD;
    ask(0, 200 * MS);
    ask(1, 100 * MS);
    expect_affinity(1, 100 * MS);
    assert_int_equal(ones[1].turn.virtual_time, 100 * MS);
    ask(1, 51 * MS);
    expect_fair(0, 200 * MS);
    expect_fair(1, 0);
    ask(0, 200 * MS);
    ask(1, 100 * MS + 1);
    scheduler_bill(&scheduler, &ones[0].turn, 0);
    assert_int_equal(scheduler.affinity.used, 100 * MS);
    assert_true(user_of(1)->virtual_time < user_of(0)->virtual_time);
    expect_fair(1, 0);
    /* What the lane took before the head began to wait does not lengthen that. */
    expect_fair(0, 0);
    scheduler_bill(&scheduler, &ones[1].turn, 100 * MS + 1);
    ask(0, 200 * MS);
    ask(1, 50 * MS);
    expect_affinity(1, 50 * MS);
}

/* How far ahead of its share the lane takes a user: one part in as many as wait, and one more. */
static void test_R38_the_lead_of_a_user(void **state)
{
    const uint64_t lead = SCHEDULER_AFFINITY_LEAD / 3;

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        setup(state);
        add(0, 1000);
        add(1, 1001);
        ask(1, 0);
        expect_fair(1, 30 * MS + lead + over);
        ones[1].warmth = RM_WARMTH_WARM;
        ones[0].warmth = RM_WARMTH_COLD;
        ask(0, 30 * MS);
        ask(1, 30 * MS);
        expect_turn(over ? 0 : 1, over ? SCHEDULER_FAIR : SCHEDULER_AFFINITY, 0);
        teardown(state);
    }
    setup(state);
}

static void test_R38_the_lead_of_a_client(void **state)
{
    const uint64_t lead = SCHEDULER_AFFINITY_LEAD / 3;

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        setup(state);
        add(0, 1000);
        add(1, 1000);
        ask(1, 0);
        expect_fair(1, 30 * MS + lead + over);
        ones[1].warmth = RM_WARMTH_WARM;
        ones[0].warmth = RM_WARMTH_COLD;
        ask(0, 30 * MS);
        ask(1, 30 * MS);
        expect_turn(over ? 0 : 1, over ? SCHEDULER_FAIR : SCHEDULER_AFFINITY, 0);
        teardown(state);
    }
    setup(state);
}

/* Who passes: the one with the least time of those who were served last and have their things
 * there. */
static void test_R38_who_passes_in_the_affinity_lane(void **state)
{
    (void)state;
    add(0, 1000);
    for (unsigned i = 1; i < 5; i++) {
        add(i, 1000 + i);
        ask(i, 0);
        expect_fair(i, (6 - i) * MS);
        ones[i].warmth = RM_WARMTH_WARM;
    }
    ones[0].warmth = RM_WARMTH_COLD;
    ones[4].warmth = RM_WARMTH_NONE;
    for (unsigned i = 0; i < 5; i++)
        ask(i, 10 * MS);
    expect_affinity(3, 10 * MS);
    expect_affinity(2, 10 * MS);
    ones[0].warmth = RM_WARMTH_NONE;
    expect_fair(0, 10 * MS);
    expect_fair(4, 10 * MS);
    expect_fair(1, 10 * MS);
}

/* Nobody of a lower priority passes, and nobody who has nothing to run. */
static void test_R38_who_does_not_pass_in_the_affinity_lane(void **state)
{
    (void)state;
    add(0, 1000);
    add_as(1, 1001, SCHEDULER_LOW);
    add(2, 1002);
    ask(1, 0);
    ask(2, 0);
    expect_fair(1, 0);
    expect_fair(2, 0);
    ones[1].warmth = ones[2].warmth = RM_WARMTH_WARM;
    ones[0].warmth = RM_WARMTH_COLD;
    ask(0, 10 * MS);
    ask(1, 10 * MS);
    expect_fair(0, 10 * MS);
    expect_fair(1, 10 * MS);
}

/* As many as were served last are remembered, each once, and none that is gone. */
static void test_R38_those_who_were_served_last(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SCHEDULER_RECENT + 1; i++) {
        add(i, 1000);
        ask(i, 0);
        expect_fair(i, MS);
    }
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++)
        assert_ptr_equal(scheduler.affinity.recent[i], &ones[SCHEDULER_RECENT - i].turn);
    ask(5, 0);
    expect_fair(5, 0);
    assert_ptr_equal(scheduler.affinity.recent[0], &ones[5].turn);
    assert_ptr_equal(scheduler.affinity.recent[1], &ones[8].turn);
    assert_ptr_equal(scheduler.affinity.recent[3], &ones[6].turn);
    assert_ptr_equal(scheduler.affinity.recent[4], &ones[4].turn);
    assert_ptr_equal(scheduler.affinity.recent[SCHEDULER_RECENT - 1], &ones[1].turn);
    scheduler_remove(&scheduler, &ones[1].turn);
    scheduler_remove(&scheduler, &ones[5].turn);
    assert_null(scheduler.affinity.recent[0]);
    assert_null(scheduler.affinity.recent[SCHEDULER_RECENT - 1]);
    assert_ptr_equal(scheduler.affinity.recent[1], &ones[8].turn);
}

/* Clients that leave in the middle of a turn: the one that has it, and the one that it passed. */
static void test_leaving_in_the_middle_of_a_turn(void **state)
{
    struct scheduler_user *user;

    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(0, 40 * MS);
    ask(1, 10 * MS);
    assert_ptr_equal(scheduler_pick(&scheduler), &ones[1].turn);
    assert_ptr_equal(scheduler.turn.passed, &ones[0].turn);
    user = user_of(1);
    add(2, 1002);
    scheduler_remove(&scheduler, &ones[2].turn);
    assert_ptr_equal(scheduler.turn.client, &ones[1].turn);
    assert_ptr_equal(scheduler.turn.passed, &ones[0].turn);
    scheduler_remove(&scheduler, &ones[0].turn);
    assert_ptr_equal(scheduler.turn.client, &ones[1].turn);
    assert_null(scheduler.turn.passed);
    scheduler_remove(&scheduler, &ones[1].turn);
    assert_null(scheduler.turn.client);
    assert_ptr_equal(scheduler.turn.user, user);
    scheduler_charge(&scheduler, 10 * MS);
    /* It is remembered for what it used of the lane, and for its time; the other one is not. */
    assert_int_equal(user->clients, 0);
    assert_ptr_equal(list_entry(scheduler.users.next, struct scheduler_user, link), user);
    assert_ptr_equal(user->link.next, &scheduler.users);
    add(0, 1001);
    assert_ptr_equal(user_of(0), user);
}

/* A user of whom nothing need be known is forgotten when another one comes. */
static void test_users_are_forgotten(void **state)
{
    (void)state;
    add(0, 1000);
    add(1, 1001);
    ask(0, 0);
    expect_fair(0, 5 * MS);
    scheduler_remove(&scheduler, &ones[0].turn);
    /* It owes time. */
    assert_false(scheduler.users.next->next == &scheduler.users);
    ask(1, 0);
    expect_fair(1, 5 * MS);
    ask(1, 0);
    expect_fair(1, 5 * MS);
    assert_false(scheduler.users.next->next == &scheduler.users);
    add(2, 1002);
    assert_int_equal(list_entry(scheduler.users.next, struct scheduler_user, link)->uid, 1001);
    assert_int_equal(user_of(2)->uid, 1002);
    assert_ptr_equal(user_of(2)->link.next, &scheduler.users);
    /* One that is known keeps its priority. */
    add_as(3, 1002, SCHEDULER_HIGH);
    assert_ptr_equal(user_of(3), user_of(2));
    assert_int_equal(user_of(3)->priority, SCHEDULER_NORMAL);
}

int main(void)
{
#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_equals_are_first_come_first_served),
        STEP_TEST(test_times_move_by_the_weight),
        STEP_TEST(test_costs_are_bounded),
        STEP_TEST(test_R38_credit_is_exact),
        STEP_TEST(test_the_head_goes_first_without_a_cost),
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
        STEP_TEST(test_leaving_in_the_middle_of_a_turn),
        STEP_TEST(test_users_are_forgotten),
    };
#undef STEP_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
