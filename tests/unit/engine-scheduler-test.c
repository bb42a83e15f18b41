/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service: shares of chip time, the express lane, priorities. */
#include "scheduler-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* The cheap client asks again while the command after its own runs. It may wait for the rest of
 * that one, and for one more. */
static void light_among(unsigned heavy, bool users, bool pipelined)
{
    struct bench bench;
    unsigned others = 0, longest = 0, served = 0;

    bench_init(&bench, heavy + 1);
    for (unsigned i = 0; i < heavy; i++) {
        bench_add(&bench, i, users ? 1000 + i : 1000, 90 * MS);
        bench.loads[i].pipelined = pipelined;
    }
    for (unsigned i = 0; i < 3 * heavy; i++)
        bench_step(&bench);
    bench_add(&bench, heavy, users ? 999 : 1000, 10 * MS);
    /* Its first command shows what it costs. */
    while (bench_step(&bench) != heavy)
        ;
    for (unsigned i = 0; i < 5000; i++) {
        if (bench_step(&bench) == heavy) {
            served++;
            others = 0;
        } else if (++others > longest) {
            longest = others;
        }
    }
    assert_true(served > 1000);
    assert_true(longest <= 2);
    /* And the others have their even share of the rest. */
    for (unsigned i = 1; i < heavy; i++)
        bench_expect_near(bench.loads[i].used, bench.loads[0].used, 10);
    bench_clear(&bench);
}

static void test_R38_light_client_waits_for_two_at_most(void **state)
{
    static const unsigned heavy[] = {2, 8, 100};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        light_among(heavy[i], false, false);
        light_among(heavy[i], false, true);
        light_among(heavy[i], true, false);
        light_among(heavy[i], true, true);
    }
}

static void test_R38_users_share_evenly(void **state)
{
    struct bench bench;
    uint64_t crowd = 0;

    (void)state;
    bench_init(&bench, 9);
    for (unsigned i = 0; i < 8; i++)
        bench_add(&bench, i, 1000, 40 * MS);
    bench_add(&bench, 8, 1001, 40 * MS);
    bench.loads[8].pipelined = true;
    for (unsigned i = 0; i < 2000; i++)
        bench_step(&bench);
    for (unsigned i = 0; i < 8; i++)
        crowd += bench.loads[i].used;
    bench_expect_near(bench.loads[8].used, crowd, 5);
    bench_clear(&bench);
}

static void test_R38_clients_share_by_time(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add(&bench, 0, 1000, 30 * MS);
    bench_add(&bench, 1, 1000, 90 * MS);
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 4000; i++)
        bench_step(&bench);
    bench_expect_near(bench.loads[0].used, bench.loads[1].used, 5);
    bench_clear(&bench);
}

/* Clients with cheap commands that never pause do not starve one with expensive commands. */
static void test_R38_light_clients_do_not_starve_a_heavy_one(void **state)
{
    struct bench bench;
    uint64_t light = 0;

    (void)state;
    bench_init(&bench, 11);
    for (unsigned i = 0; i < 10; i++) {
        bench_add(&bench, i, 1000, 5 * MS);
        bench.loads[i].pipelined = true;
    }
    bench_add(&bench, 10, 1001, 100 * MS);
    bench.loads[10].pipelined = true;
    for (unsigned i = 0; i < 5000; i++)
        bench_step(&bench);
    for (unsigned i = 0; i < 10; i++)
        light += bench.loads[i].used;
    bench_expect_near(bench.loads[10].used, light, 20);
    bench_clear(&bench);
}

/* A client that rested for long may not make up for all of it. */
static void test_R38_rest_is_no_savings_account(void **state)
{
    struct bench bench;
    unsigned turns = 0;

    (void)state;
    bench_init(&bench, 2);
    bench_add(&bench, 0, 1000, 50 * MS);
    bench_add(&bench, 1, 1000, 50 * MS);
    scheduler_unready(&bench.scheduler, &bench.loads[1].turn);
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(bench_step(&bench), 0);
    scheduler_ready(&bench.scheduler, &bench.loads[1].turn);
    while (bench_step(&bench) == 1)
        turns++;
    assert_in_range(turns, 1, 4);
    bench_clear(&bench);
}

/* A new connection for each command does not make its user a newcomer. */
static void test_R38_reconnecting_gains_nothing(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add(&bench, 0, 1000, 90 * MS);
    bench_add(&bench, 1, 1001, 90 * MS);
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 1000; i++) {
        if (bench_step(&bench) == 1) {
            scheduler_remove(&bench.scheduler, &bench.loads[1].turn);
            bench_add(&bench, 1, 1001, 90 * MS);
        }
    }
    bench_expect_near(bench.loads[1].used, bench.loads[0].used, 10);
    bench_clear(&bench);
}

/* Users at every priority that never pause: shares as the weights say, so nobody starves. */
static void test_R38_priorities_are_shares(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 3);
    bench_add_as(&bench, 0, 1000, 40 * MS, SCHEDULER_LOW);
    bench_add_as(&bench, 1, 1001, 40 * MS, SCHEDULER_NORMAL);
    bench_add_as(&bench, 2, 1002, 40 * MS, SCHEDULER_HIGH);
    for (unsigned i = 0; i < 3; i++)
        bench.loads[i].pipelined = true;
    for (unsigned i = 0; i < 10000; i++)
        bench_step(&bench);
    bench_expect_near(bench.loads[1].used, 4 * bench.loads[0].used, 5);
    bench_expect_near(bench.loads[2].used, 4 * bench.loads[1].used, 5);
    bench_clear(&bench);
}

/* Whatever it sends and however often it connects, a user has one priority's share. */
static void test_R38_many_of_low_priority_are_still_low(void **state)
{
    struct bench bench;
    uint64_t low = 0;

    (void)state;
    bench_init(&bench, 21);
    for (unsigned i = 0; i < 20; i++) {
        bench_add_as(&bench, i, 1000, (1 + i) * MS, SCHEDULER_LOW);
        bench.loads[i].pipelined = true;
    }
    bench_add(&bench, 20, 1001, 100 * MS);
    bench.loads[20].pipelined = true;
    for (unsigned i = 0; i < 20000; i++)
        bench_step(&bench);
    for (unsigned i = 0; i < 20; i++)
        low += bench.loads[i].used;
    /* Cheap as its commands are, they do not pass those of a higher priority. */
    bench_expect_near(bench.loads[20].used, 4 * low, 5);
    bench_clear(&bench);
}

/* Cheap commands of normal and high priority pass expensive ones of low priority, as ever. */
static void test_R38_higher_priorities_pass_lower_ones(void **state)
{
    static const enum scheduler_priority light[] = {SCHEDULER_NORMAL, SCHEDULER_HIGH};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct bench bench;
        unsigned others = 0, longest = 0;

        bench_init(&bench, 5);
        for (unsigned i = 0; i < 4; i++) {
            bench_add_as(&bench, i, 1000 + i, 90 * MS, SCHEDULER_LOW);
            bench.loads[i].pipelined = true;
        }
        for (unsigned i = 0; i < 12; i++)
            bench_step(&bench);
        bench_add_as(&bench, 4, 1004, 10 * MS, light[k]);
        while (bench_step(&bench) != 4)
            ;
        for (unsigned i = 0; i < 2000; i++) {
            if (bench_step(&bench) == 4)
                others = 0;
            else if (++others > longest)
                longest = others;
        }
        assert_true(longest <= 2);
        for (unsigned i = 1; i < 4; i++)
            bench_expect_near(bench.loads[i].used, bench.loads[0].used, 10);
        bench_clear(&bench);
    }
}

/* What may happen in the middle of a turn, to its client and to another one. */
static void disturb(struct bench *bench, struct scheduler_client *picked, struct load *other,
                    unsigned *seed)
{
    struct scheduler *scheduler = &bench->scheduler;

    switch (rand_r(seed) % 8) {
    case 0:
        scheduler_remove(scheduler, picked);
        break;
    case 1:
        scheduler_remove(scheduler, &other->turn);
        break;
    case 2:
        scheduler_ready(scheduler, picked);
        break;
    case 3:
        if (other->turn.user)
            scheduler_bill(scheduler, &other->turn, MS);
        break;
    case 4:
        scheduler_scan(scheduler, picked);
        break;
    case 5:
        scheduler_scan_next(scheduler);
        break;
    default:
        break;
    }
}

static void test_unready_and_remove_in_any_state(void **state)
{
    struct bench bench;
    unsigned seed = 1;

    (void)state;
    bench_init(&bench, 40);
    for (unsigned i = 0; i < bench.count; i++)
        bench_add_as(&bench, i, 1000 + i % 7, (1 + i % 5) * MS, i % 7 % SCHEDULER_PRIORITIES);
    for (unsigned i = 0; i < 20000; i++) {
        struct load *load = &bench.loads[rand_r(&seed) % bench.count];
        struct scheduler_client *picked;

        switch (rand_r(&seed) % 5) {
        case 0:
            if (load->turn.user)
                scheduler_unready(&bench.scheduler, &load->turn);
            break;
        case 1:
            if (load->turn.user)
                scheduler_ready(&bench.scheduler, &load->turn);
            break;
        case 2:
            scheduler_remove(&bench.scheduler, &load->turn);
            break;
        case 3:
            if (!load->turn.user)
                bench_add_as(&bench, (unsigned)(load - bench.loads), (uint32_t)(rand_r(&seed) % 7),
                             load->cost, rand_r(&seed) % SCHEDULER_PRIORITIES);
            break;
        default:
            picked = bench_pick(&bench);
            disturb(&bench, picked, load, &seed);
            scheduler_charge(&bench.scheduler, load->cost);
            if (picked->user)
                scheduler_ready(&bench.scheduler, picked);
            break;
        }
        if (!scheduler_waiting(&bench.scheduler))
            for (unsigned k = 0; k < bench.count; k++)
                if (bench.loads[k].turn.user)
                    scheduler_ready(&bench.scheduler, &bench.loads[k].turn);
        if (!scheduler_waiting(&bench.scheduler))
            for (unsigned k = 0; k < bench.count; k++)
                bench_add(&bench, k, 1000, bench.loads[k].cost);
    }
    bench_clear(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R38_light_client_waits_for_two_at_most),
        cmocka_unit_test(test_R38_users_share_evenly),
        cmocka_unit_test(test_R38_clients_share_by_time),
        cmocka_unit_test(test_R38_light_clients_do_not_starve_a_heavy_one),
        cmocka_unit_test(test_R38_rest_is_no_savings_account),
        cmocka_unit_test(test_R38_reconnecting_gains_nothing),
        cmocka_unit_test(test_R38_priorities_are_shares),
        cmocka_unit_test(test_R38_many_of_low_priority_are_still_low),
        cmocka_unit_test(test_R38_higher_priorities_pass_lower_ones),
        cmocka_unit_test(test_unready_and_remove_in_any_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
