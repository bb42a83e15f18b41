/* SPDX-License-Identifier: BSD-2-Clause */
/* Order of service, on made-up times: every client asks again as soon as it was served. */
#include "engine/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define NOBODY 1000

struct load {
    struct scheduler_client turn;
    uint64_t cost, used;
    bool pipelined;          /* its next command is there before the next turn is given */
    bool keyed;              /* its commands need a key in one of the chip's slots */
    uint64_t since, longest; /* when it began to wait; the longest wait */
    unsigned served, swapped;
};

#define SLOTS 3
#define SWAP  (29 * MS) /* a key into the chip, and another one out of it */

struct bench {
    struct scheduler scheduler;
    struct load *loads;
    unsigned count, again; /* who asks anew once the next command runs */
    uint64_t now;
};

/* Whose keys are in the chip, the last one used first. */
static const struct load *slots[SLOTS];

static bool loaded(const struct load *load)
{
    return slots[0] == load || slots[1] == load || slots[2] == load;
}

static enum rm_warmth warmth(const struct scheduler_client *turn)
{
    const struct load *load = list_entry(turn, const struct load, turn);

    if (!load->keyed)
        return RM_WARMTH_NONE;
    return loaded(load) ? RM_WARMTH_WARM : RM_WARMTH_COLD;
}

static enum rm_warmth all_the_same(const struct scheduler_client *turn)
{
    (void)turn;
    return RM_WARMTH_NONE;
}

/* Brings the client's key into the chip. What that costs. */
static uint64_t bring(struct load *load)
{
    bool swap = load->keyed && !loaded(load);
    const struct load *moved = load;

    for (unsigned i = 0; load->keyed && i < SLOTS && moved; i++) {
        const struct load *next = slots[i];

        slots[i] = moved;
        moved = next == load ? NULL : next;
    }
    load->swapped += swap;
    return swap ? SWAP : 0;
}

static void bench_init(struct bench *bench, unsigned count)
{
    memset(bench, 0, sizeof(*bench));
    memset(slots, 0, sizeof(slots));
    scheduler_init(&bench->scheduler, warmth);
    bench->loads = calloc(count, sizeof(*bench->loads));
    assert_non_null(bench->loads);
    bench->count = count;
    bench->again = NOBODY;
}

static void bench_add_as(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost,
                         enum scheduler_priority priority)
{
    struct load *load = &bench->loads[index];

    struct scheduler_user *record = scheduler_user_new();

    assert_non_null(record);
    scheduler_add(&bench->scheduler, &load->turn, uid, priority, record);
    load->cost = cost;
    scheduler_ready(&bench->scheduler, &load->turn);
}

static void bench_add(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost)
{
    bench_add_as(bench, index, uid, cost, SCHEDULER_NORMAL);
}

static void bench_clear(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++)
        scheduler_remove(&bench->scheduler, &bench->loads[i].turn);
    assert_false(scheduler_waiting(&bench->scheduler));
    scheduler_clear(&bench->scheduler);
    free(bench->loads);
}

static void bench_ask(struct bench *bench, struct load *load)
{
    load->since = bench->now;
    scheduler_ready(&bench->scheduler, &load->turn);
}

/* Serves one command; who was served before asks anew meanwhile. The one served. */
static unsigned bench_step(struct bench *bench)
{
    struct scheduler_client *turn = scheduler_pick(&bench->scheduler);
    struct load *load;
    uint64_t cost;

    assert_non_null(turn);
    load = list_entry(turn, struct load, turn);
    if (bench->now - load->since > load->longest)
        load->longest = bench->now - load->since;
    if (bench->again != NOBODY)
        bench_ask(bench, &bench->loads[bench->again]);
    cost = load->cost + bring(load);
    scheduler_charge(&bench->scheduler, turn, cost);
    bench->now += cost;
    load->used += cost;
    load->served++;
    bench->again = NOBODY;
    if (load->pipelined)
        bench_ask(bench, load);
    else
        bench->again = (unsigned)(load - bench->loads);
    return (unsigned)(load - bench->loads);
}

static void expect_near(uint64_t value, uint64_t expected, unsigned percent)
{
    assert_true(value >= expected - expected * percent / 100);
    assert_true(value <= expected + expected * percent / 100);
}

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
        expect_near(bench.loads[i].used, bench.loads[0].used, 10);
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
    expect_near(bench.loads[8].used, crowd, 5);
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
    expect_near(bench.loads[0].used, bench.loads[1].used, 5);
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
    expect_near(bench.loads[10].used, light, 20);
    bench_clear(&bench);
}

/* A client that rested for long may not make up for all of it. */
static void test_R38_rest_is_no_savings_account(void **state)
{
    struct bench bench;
    unsigned row = 0;

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
        row++;
    assert_in_range(row, 1, 4);
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
    expect_near(bench.loads[1].used, bench.loads[0].used, 10);
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
    expect_near(bench.loads[1].used, 4 * bench.loads[0].used, 5);
    expect_near(bench.loads[2].used, 4 * bench.loads[1].used, 5);
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
    expect_near(bench.loads[20].used, 4 * low, 5);
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
            expect_near(bench.loads[i].used, bench.loads[0].used, 10);
        bench_clear(&bench);
    }
}

struct crowd {
    unsigned swaps_per_100;
    uint64_t longest; /* wait of the client that needs no key */
};

/* Clients with a key each, and one without. All get the same time, however the chip is shared. */
static struct crowd crowd_run(unsigned count, bool users, uint64_t cost, scheduler_warmth_fn *hint)
{
    struct bench bench;
    unsigned served = 0, swapped = 0;
    uint64_t longest;

    bench_init(&bench, count + 1);
    bench.scheduler.warmth = hint;
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
        expect_near(bench.loads[i].used, bench.loads[0].used, 5);
        served += bench.loads[i].served;
        swapped += bench.loads[i].swapped;
    }
    longest = bench.loads[0].longest;
    bench_clear(&bench);
    return (struct crowd){.swaps_per_100 = 100 * swapped / served, .longest = longest};
}

/* More clients than slots, each with its own key: keys serve more than once while they are there,
 * where that lengthens nobody's wait by much more than the patience allows. */
static void test_R38_warm_clients_go_first_within_a_bound(void **state)
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
            struct crowd strict = crowd_run(count, users, cost, all_the_same);
            struct crowd warm = crowd_run(count, users, cost, warmth);

            assert_int_equal(strict.swaps_per_100, 100);
            assert_in_range(warm.swaps_per_100, 0, cases[i].swaps_per_100);
            assert_true(warm.longest <= strict.longest + 100 * MS + 2 * (cost + SWAP));
        }
    }
}

/* One whose key never leaves does not use that against one whose key is never there. */
static void test_R38_being_warm_is_no_privilege(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add(&bench, 0, 1000, 20 * MS);
    bench_add(&bench, 1, 1001, 30 * MS);
    bench.loads[0].keyed = bench.loads[1].keyed = true;
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 5000; i++) {
        slots[1] = slots[2] = NULL;
        slots[0] = &bench.loads[0];
        bench_step(&bench);
    }
    expect_near(bench.loads[1].used, bench.loads[0].used, 5);
    bench_clear(&bench);
}

/* Being warm does not lift a low priority above a higher one. */
static void test_R38_low_priority_passes_nobody_by_being_warm(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, 2);
    bench_add_as(&bench, 0, 1000, 40 * MS, SCHEDULER_LOW);
    bench_add_as(&bench, 1, 1001, 40 * MS, SCHEDULER_NORMAL);
    bench.loads[0].keyed = bench.loads[1].keyed = true;
    bench.loads[0].pipelined = bench.loads[1].pipelined = true;
    for (unsigned i = 0; i < 5000; i++) {
        slots[1] = slots[2] = NULL;
        slots[0] = &bench.loads[0];
        bench_step(&bench);
    }
    expect_near(bench.loads[1].used, 4 * bench.loads[0].used, 5);
    bench_clear(&bench);
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
            picked = scheduler_pick(&bench.scheduler);
            assert_int_equal(picked != NULL, 1);
            scheduler_charge(&bench.scheduler, picked, load->cost);
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
        cmocka_unit_test(test_R38_warm_clients_go_first_within_a_bound),
        cmocka_unit_test(test_R38_being_warm_is_no_privilege),
        cmocka_unit_test(test_R38_low_priority_passes_nobody_by_being_warm),
        cmocka_unit_test(test_unready_and_remove_in_any_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
