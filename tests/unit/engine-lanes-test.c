/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service: what the express lane may do to those that it passes, and to its own users. */
#include "scheduler-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CHEAP UINT64_C(20000)

static void add_pipelined(struct bench *bench, unsigned first, unsigned count, uint32_t uid,
                          uint64_t cost)
{
    for (unsigned i = first; i < first + count; i++) {
        bench_add(bench, i, uid, cost);
        bench->loads[i].pipelined = true;
    }
}

/* Lets a client that rests ask once. How long it waits. */
static uint64_t wait_of(struct bench *bench, unsigned index)
{
    struct load *load = &bench->loads[index];

    scheduler_ready(&bench->scheduler, &load->turn);
    load->since = bench->now;
    load->longest = 0;
    while (bench_step(bench) != index)
        ;
    bench->again = BENCH_NOBODY;
    return load->longest;
}

/* However many clients with cheap commands a user has, an expensive command of another waits for
 * them no longer than the bound, and no longer than it takes itself. */
static void test_R50_cheap_commands_hold_up_an_expensive_one_within_a_bound(void **state)
{
    static const uint64_t costs[] = {1 * MS, 10 * MS, 90 * MS, 250 * MS, 5000 * MS};

    (void)state;
    for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
        uint64_t bound = costs[i] < SCHEDULER_EXPRESS_BOUND ? costs[i] : SCHEDULER_EXPRESS_BOUND;
        struct bench bench;

        bench_init(&bench, 17);
        add_pipelined(&bench, 0, 16, 1000, CHEAP);
        bench_add(&bench, 16, 1001, costs[i]);
        scheduler_unready(&bench.scheduler, &bench.loads[16].turn);
        for (unsigned k = 0; k < 100000; k++)
            bench_step(&bench);
        assert_in_range(wait_of(&bench, 16), 0, bound + 2 * CHEAP);
        bench_clear(&bench);
    }
}

/* And the reverse: a cheap command waits for one expensive command, not for the crowd's. */
static void test_R50_expensive_commands_hold_up_a_cheap_one_once(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 17);
    add_pipelined(&bench, 0, 16, 1000, 250 * MS);
    bench_add(&bench, 16, 1001, CHEAP);
    scheduler_unready(&bench.scheduler, &bench.loads[16].turn);
    for (unsigned k = 0; k < 100; k++)
        bench_step(&bench);
    for (unsigned k = 0; k < 100; k++)
        assert_int_equal(wait_of(&bench, 16), 0);
    bench_clear(&bench);
}

/* A mixture of both, from one user, does not get more than its share of a user's with one client
 * but for the lane, which takes no more than was used beside it. */
static void test_R50_a_mixture_pays_for_its_expensive_commands(void **state)
{
    static const uint64_t costs[] = {1 * MS, 10 * MS, 100 * MS};

    (void)state;
    for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
        struct bench bench;
        uint64_t expensive = 0;

        bench_init(&bench, 17);
        add_pipelined(&bench, 0, 8, 1000, CHEAP);
        add_pipelined(&bench, 8, 8, 1000, 250 * MS);
        add_pipelined(&bench, 16, 1, 1001, costs[i]);
        while (bench.now < 100000 * MS)
            bench_step(&bench);
        for (unsigned k = 8; k < 16; k++)
            expensive += bench.loads[k].used;
        assert_true(bench.loads[16].used + 500 * MS >= expensive);
        assert_true(bench.loads[16].used + 500 * MS >= bench.now / 3);
        bench_clear(&bench);
    }
}

/* One cheap command after each expensive one does not make up for what that cost. */
static void test_R50_the_lane_forgives_no_debt(void **state)
{
    struct bench bench;
    uint64_t expensive;

    (void)state;
    bench_init(&bench, 3);
    add_pipelined(&bench, 0, 1, 1000, 250 * MS);
    add_pipelined(&bench, 1, 1, 1001, 10 * MS);
    bench_add(&bench, 2, 1000, CHEAP);
    while (bench.now < 100000 * MS) {
        unsigned served = bench_step(&bench);

        bench.again = BENCH_NOBODY;
        if (served == 0)
            scheduler_ready(&bench.scheduler, &bench.loads[2].turn);
    }
    expensive = bench.loads[0].used;
    bench_expect_near(bench.loads[1].used, expensive, 5);
    bench_clear(&bench);
}

/* A user that uses all of the lane that it can does not stand in the way of one that does not: the
 * light client of the other one waits for a part of the crowd's share, and for nothing else. */
static void test_R50_savings_of_the_lane_are_each_users_own(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 21);
    add_pipelined(&bench, 0, 16, 1000, CHEAP);
    add_pipelined(&bench, 16, 4, 1001, 90 * MS);
    bench_add(&bench, 20, 1001, 10 * MS);
    scheduler_unready(&bench.scheduler, &bench.loads[20].turn);
    for (unsigned k = 0; k < 20000; k++)
        bench_step(&bench);
    for (unsigned k = 0; k < 100; k++) {
        uint64_t rest = bench.now + (100 + k) * MS;

        assert_in_range(wait_of(&bench, 20), 0, 105 * MS);
        while (bench.now < rest)
            bench_step(&bench);
    }
    bench_clear(&bench);
}

/* Commands that cost far more than was expected are paid for: the lane is closed to their user
 * until as much time was used outside of it. */
static void test_R60_wrong_guesses_are_made_up_for(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    add_pipelined(&bench, 0, 1, 1000, 1000 * MS);
    add_pipelined(&bench, 1, 1, 1001, 100 * MS);
    while (bench.now < 100000 * MS) {
        bench.loads[0].mean = 1 * MS;
        bench_step(&bench);
    }
    assert_true(bench.loads[1].used >= bench.now / 3 - 2000 * MS);
    bench_clear(&bench);
}

/* Users take turns with their input, however many clients one has. */
static void test_R51_scans_are_fair_by_user(void **state)
{
    struct bench bench;
    unsigned others = 0;

    (void)state;
    bench_init(&bench, 101);
    for (unsigned i = 0; i < 101; i++)
        bench_add(&bench, i, i == 100 ? 1001 : 1000, MS);
    for (unsigned i = 0; i < 100; i++)
        scheduler_scan(&bench.scheduler, &bench.loads[i].turn);
    for (unsigned round = 0; round < 50; round++) {
        struct scheduler_client *next;

        scheduler_scan(&bench.scheduler, &bench.loads[100].turn);
        for (others = 0; (next = scheduler_scan_next(&bench.scheduler)); others++) {
            /* All of the crowd want another one at once. */
            if (next == &bench.loads[100].turn)
                break;
            scheduler_scan(&bench.scheduler, next);
        }
        assert_ptr_equal(next, &bench.loads[100].turn);
        assert_in_range(others, 0, 1);
    }
    /* Those of the crowd take turns too. */
    for (unsigned i = 0; i < 200; i++) {
        struct scheduler_client *next = scheduler_scan_next(&bench.scheduler);

        bench.loads[list_entry(next, struct load, turn) - bench.loads].served++;
        scheduler_scan(&bench.scheduler, next);
    }
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(bench.loads[i].served, 2);
    bench_clear(&bench);
    assert_false(scheduler_scans(&bench.scheduler));
}

/* What is done outside of turns counts as the user's time. */
static void test_R51_what_is_done_outside_of_turns_is_billed(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    add_pipelined(&bench, 0, 1, 1000, 10 * MS);
    add_pipelined(&bench, 1, 1, 1001, 10 * MS);
    for (unsigned i = 0; i < 4000; i++) {
        if (bench_step(&bench) == 0)
            scheduler_bill(&bench.scheduler, &bench.loads[0].turn, 30 * MS);
    }
    bench_expect_near(bench.loads[1].used, 4 * bench.loads[0].used, 5);
    bench_clear(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R50_cheap_commands_hold_up_an_expensive_one_within_a_bound),
        cmocka_unit_test(test_R50_expensive_commands_hold_up_a_cheap_one_once),
        cmocka_unit_test(test_R50_a_mixture_pays_for_its_expensive_commands),
        cmocka_unit_test(test_R50_the_lane_forgives_no_debt),
        cmocka_unit_test(test_R50_savings_of_the_lane_are_each_users_own),
        cmocka_unit_test(test_R60_wrong_guesses_are_made_up_for),
        cmocka_unit_test(test_R51_scans_are_fair_by_user),
        cmocka_unit_test(test_R51_what_is_done_outside_of_turns_is_billed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
