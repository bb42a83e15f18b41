/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service: who finds its keys in the chip may go first, within bounds. */
#include "scheduler-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static enum rm_affinity all_the_same(const struct scheduler_client *turn)
{
    (void)turn;
    return RM_AFFINITY_NEUTRAL;
}

struct crowd {
    unsigned swaps_per_100;
    uint64_t longest; /* wait of the client that needs no key */
};

/* Clients with a key each, and one without; `strict` takes them in turn. All get the same time,
 * however the chip is shared. */
static struct crowd crowd_run(unsigned count, bool users, uint64_t cost, bool strict)
{
    struct bench bench;
    unsigned served = 0, swapped = 0;
    uint64_t longest;

    bench_init(&bench, count + 1);
    if (strict)
        bench.scheduler.affinity.affinity_of = all_the_same;
    for (unsigned i = 0; i <= count; i++) {
        bench_add(&bench, i, users ? 1000 + i : 1000, i ? cost : cost + SWAP);
        bench.loads[i].keyed = i != 0;
    }
    for (unsigned i = 0; i < 20 * count; i++)
        bench_step(&bench);
    for (unsigned i = 0; i <= count; i++) {
        struct load *load = &bench.loads[i];

        load->longest = load->used = load->swapped = load->served = 0;
    }
    for (unsigned i = 0; i < 1000 * count; i++)
        bench_step(&bench);
    for (unsigned i = 1; i <= count; i++) {
        bench_expect_near(bench.loads[i].used, bench.loads[0].used, 5);
        served += bench.loads[i].served;
        swapped += bench.loads[i].swapped;
    }
    longest = bench.loads[0].longest;
    bench_clear(&bench);
    return (struct crowd){.swaps_per_100 = 100 * swapped / served, .longest = longest};
}

/* More clients than slots, each with its own key: keys serve more than once while they are there,
 * where that lengthens nobody's wait by much more than the bound of the lane allows. */
static void test_R38_clients_whose_keys_are_resident_go_first_within_a_bound(void **state)
{
    static const struct {
        unsigned count, swaps_per_100;
        uint64_t cost;
    } cases[] = {{8, 100, 90 * MS}, {8, 50, 10 * MS}, {4, 20, 10 * MS}, {30, 85, 10 * MS}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int users = 0; users < 2; users++) {
            unsigned count = cases[i].count;
            uint64_t cost = cases[i].cost;
            struct crowd strict = crowd_run(count, users, cost, true);
            struct crowd lane = crowd_run(count, users, cost, false);

            assert_int_equal(strict.swaps_per_100, 100);
            assert_in_range(lane.swaps_per_100, 0, cases[i].swaps_per_100);
            assert_true(lane.longest <= strict.longest + 100 * MS + 2 * (cost + SWAP));
        }
    }
}

/* Eight clients with a key and a session each, of which two have room: a swap moves a key and a
 * session out and others in, four commands. On a chip that is fast beside the bound they sign in
 * groups, so that a signature costs 2.5 commands at most; and nobody waits longer than the bound
 * and a round of strict turns allow. */
static void test_R63_clients_with_sessions_sign_in_groups(void **state)
{
    const uint64_t cost = MS, swap = MS / 2;

    (void)state;
    for (int users = 0; users < 2; users++) {
        struct bench bench;
        unsigned served = 0, swapped = 0;

        bench_init(&bench, 8);
        bench.slot_count = 2;
        bench.swap = swap;
        for (unsigned i = 0; i < 8; i++) {
            bench_add(&bench, i, users ? 1000 + i : 1000, cost);
            bench.loads[i].keyed = true;
        }
        for (unsigned i = 0; i < 4000; i++)
            bench_step(&bench);
        for (unsigned i = 0; i < 8; i++) {
            served += bench.loads[i].served;
            swapped += bench.loads[i].swapped;
            assert_true(bench.loads[i].longest <= SCHEDULER_AFFINITY_BOUND + 2 * 8 * (cost + swap));
        }
        assert_true(served + 4 * swapped <= served * 25 / 10);
        bench_clear(&bench);
    }
}

/* One whose key never leaves does not use that against one whose key is never there. */
static void test_R38_resident_keys_are_no_privilege(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add(&bench, 0, 1000, 20 * MS);
    bench_add(&bench, 1, 1001, 30 * MS);
    bench.loads[0].keyed = bench.loads[1].keyed = true;
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 5000; i++) {
        bench.slots[1] = bench.slots[2] = NULL;
        bench.slots[0] = &bench.loads[0];
        bench_step(&bench);
    }
    bench_expect_near(bench.loads[1].used, bench.loads[0].used, 5);
    bench_clear(&bench);
}

/* Resident keys do not lift a low priority above a higher one. */
static void test_R38_low_priority_passes_nobody_by_resident_keys(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add_as(&bench, 0, 1000, 40 * MS, SCHEDULER_LOW);
    bench_add_as(&bench, 1, 1001, 40 * MS, SCHEDULER_NORMAL);
    bench.loads[0].keyed = bench.loads[1].keyed = true;
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 5000; i++) {
        bench.slots[1] = bench.slots[2] = NULL;
        bench.slots[0] = &bench.loads[0];
        bench_step(&bench);
    }
    bench_expect_near(bench.loads[1].used, 4 * bench.loads[0].used, 5);
    bench_clear(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R38_clients_whose_keys_are_resident_go_first_within_a_bound),
        cmocka_unit_test(test_R63_clients_with_sessions_sign_in_groups),
        cmocka_unit_test(test_R38_resident_keys_are_no_privilege),
        cmocka_unit_test(test_R38_low_priority_passes_nobody_by_resident_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
