/* SPDX-License-Identifier: BSD-2-Clause */
#include "scheduler-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The scheduler asks about a client without saying whose it is. */
static const struct bench *asked;

static bool loaded(const struct bench *bench, const struct load *load)
{
    for (unsigned i = 0; i < bench->slot_count; i++) {
        if (bench->slots[i] == load)
            return true;
    }
    return false;
}

static enum rm_affinity affinity_of(const struct scheduler_client *turn)
{
    const struct load *load = list_entry(turn, const struct load, turn);

    if (!load->keyed)
        return RM_AFFINITY_NEUTRAL;
    return loaded(asked, load) ? RM_AFFINITY_RESIDENT : RM_AFFINITY_WOULD_EVICT;
}

/* Brings the client's key into the chip. What that costs. */
static uint64_t bring(struct bench *bench, struct load *load)
{
    bool swap = load->keyed && !loaded(bench, load);
    const struct load *moved = load;

    for (unsigned i = 0; load->keyed && i < bench->slot_count && moved; i++) {
        const struct load *next = bench->slots[i];

        bench->slots[i] = moved;
        moved = next == load ? NULL : next;
    }
    load->swapped += swap;
    return swap ? bench->swap : 0;
}

void bench_init(struct bench *bench, unsigned count)
{
    memset(bench, 0, sizeof(*bench));
    scheduler_init(&bench->scheduler, affinity_of);
    bench->loads = calloc(count, sizeof(*bench->loads));
    bench->users = calloc(count + MORE_USERS, sizeof(*bench->users));
    assert_true(bench->loads && bench->users);
    bench->count = count;
    bench->slot_count = SLOTS;
    bench->swap = SWAP;
    bench->again = BENCH_NOBODY;
    asked = bench;
}

static struct scheduler_user *bench_user(struct bench *bench, uint32_t uid)
{
    unsigned i = 0;

    while (i < bench->user_count && bench->users[i].uid != uid)
        i++;
    if (i == bench->user_count) {
        assert_true(bench->user_count < bench->count + MORE_USERS);
        bench->users[bench->user_count++].uid = uid;
        scheduler_user_init(&bench->users[i].share);
    }
    return &bench->users[i].share;
}

void bench_add_as(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost,
                  enum scheduler_priority priority)
{
    struct load *load = &bench->loads[index];

    scheduler_add(&bench->scheduler, &load->turn, bench_user(bench, uid), priority);
    load->cost = load->mean = cost;
    scheduler_ready(&bench->scheduler, &load->turn);
}

void bench_add(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost)
{
    bench_add_as(bench, index, uid, cost, SCHEDULER_NORMAL);
}

void bench_clear(struct bench *bench)
{
    for (unsigned i = 0; i < bench->count; i++)
        scheduler_remove(&bench->scheduler, &bench->loads[i].turn);
    assert_false(scheduler_waiting(&bench->scheduler));
    free(bench->loads);
    free(bench->users);
}

static void bench_ask(struct bench *bench, struct load *load)
{
    load->since = bench->now;
    scheduler_ready(&bench->scheduler, &load->turn);
}

struct scheduler_client *bench_pick(struct bench *bench)
{
    struct scheduler_client *turn;

    while ((turn = scheduler_unrated(&bench->scheduler)))
        scheduler_rate(&bench->scheduler, turn, list_entry(turn, struct load, turn)->mean);
    turn = scheduler_pick(&bench->scheduler);
    assert_non_null(turn);
    return turn;
}

unsigned bench_step(struct bench *bench)
{
    struct scheduler_client *turn = bench_pick(bench);
    struct load *load;
    uint64_t cost;

    load = list_entry(turn, struct load, turn);
    if (bench->now - load->since > load->longest)
        load->longest = bench->now - load->since;
    if (bench->again != BENCH_NOBODY)
        bench_ask(bench, &bench->loads[bench->again]);
    cost = load->cost + bring(bench, load);
    scheduler_charge(&bench->scheduler, cost);
    load->mean = load->mean - load->mean / 4 + cost / 4;
    bench->now += cost;
    load->used += cost;
    load->served++;
    bench->again = BENCH_NOBODY;
    if (load->pipelined)
        bench_ask(bench, load);
    else
        bench->again = (unsigned)(load - bench->loads);
    return (unsigned)(load - bench->loads);
}

void bench_expect_near(uint64_t value, uint64_t expected, unsigned percent)
{
    assert_true(value >= expected - expected * percent / 100);
    assert_true(value <= expected + expected * percent / 100);
}
