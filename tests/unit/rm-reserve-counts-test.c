/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a reserve costs: chip commands for signatures in HMAC sessions, beside what Belady's rule
 * needs for the same trace with the slots that the reserve leaves. A key that is not in the chip
 * costs its load and the flush of another one, a session its load and the saving of another one.
 */
#include "belady.h"
#include "esys-jobs.h"
#include "rm-world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS 8
#define KEYS    3
#define LONGEST 300

/* The order in which clients use their keys. */
struct work {
    unsigned clients, keys;
    bool random;      /* else clients in turn, each with its keys in turn */
    unsigned warm_up; /* uses before those that are counted */
    unsigned counted;
};

/* What is used when, by number. */
struct trace {
    uint8_t key[LONGEST], session[LONGEST];
    unsigned length;
};

static void make_trace(struct trace *trace, const struct work *work)
{
    uint32_t random = 1;

    trace->length = work->warm_up + work->counted;
    assert_true(trace->length <= LONGEST);
    for (unsigned i = 0; i < trace->length; i++) {
        unsigned client = i % work->clients, key = i / work->clients % work->keys;

        if (work->random) {
            random = random * 1664525 + 1013904223;
            client = (random >> 8) % work->clients;
            random = random * 1664525 + 1013904223;
            key = (random >> 8) % work->keys;
        }
        trace->key[i] = (uint8_t)(client * work->keys + key);
        trace->session[i] = (uint8_t)client;
    }
}

/* Chip commands that a manager which knows the future needs for the counted part of the trace. */
static unsigned optimum(const struct trace *trace, unsigned warm_up, unsigned object_slots,
                        unsigned session_slots)
{
    unsigned keys = belady_loads(trace->key, trace->length, object_slots)
                    - belady_loads(trace->key, warm_up, object_slots);
    unsigned sessions = belady_loads(trace->session, trace->length, session_slots)
                        - belady_loads(trace->session, warm_up, session_slots);

    return trace->length - warm_up + 2 * (keys + sessions);
}

static unsigned left(unsigned slots, unsigned reserve)
{
    return slots > reserve ? slots - reserve : 1;
}

/* Chip commands that the manager needs for it. */
static unsigned measure(const struct trace *trace, const struct work *work,
                        const struct rm_reserve *reserve)
{
    struct rm_world *world = rm_world_new(NULL);
    ESYS_TR keys[CLIENTS * KEYS], sessions[CLIENTS];
    unsigned commands;

    rm_set_reserve(world->rm, reserve);
    for (unsigned i = 0; i < work->clients; i++) {
        ESYS_CONTEXT *esys = rm_world_connect(world, i, 1000 + i);

        for (unsigned k = 0; k < work->keys; k++)
            keys[i * work->keys + k] =
                job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)(i * KEYS + k));
        sessions[i] = job_session(esys, false);
    }
    for (unsigned i = 0; i < trace->length; i++) {
        if (i == work->warm_up)
            libtpms_chip_clear_counts(world->chip);
        assert_int_equal(job_sign(world->clients[trace->session[i]].esys, keys[trace->key[i]],
                                  sessions[trace->session[i]]),
                         TSS2_RC_SUCCESS);
    }
    commands = world->chip->commands;
    rm_world_free(world);
    return commands;
}

static const struct rm_reserve reserves[] = {{0, 0, 0}, {1, 1, 4}, {2, 1, 4}, {2, 2, 4}};

/* Where the order can be learned, what the manager needs is what it must. */
static void test_R63_reserve_costs_what_it_must(void **state)
{
    static const struct work works[] = {
        {1, 1, false, 4, 12},   {1, 3, false, 36, 60}, {3, 1, false, 36, 60},
        {8, 1, false, 80, 112}, {8, 3, false, 96, 96},
    };
    struct trace trace;

    (void)state;
    for (size_t w = 0; w < sizeof(works) / sizeof(works[0]); w++) {
        make_trace(&trace, &works[w]);
        for (size_t r = 0; r < sizeof(reserves) / sizeof(reserves[0]); r++) {
            unsigned least = optimum(&trace, works[w].warm_up, left(3, reserves[r].objects),
                                     left(3, reserves[r].sessions)),
                     commands = measure(&trace, &works[w], &reserves[r]);

            print_message("# %u clients, %u keys each, reserve %u,%u: %.2f commands for a "
                          "signature, at best %.2f\n",
                          works[w].clients, works[w].keys, reserves[r].objects,
                          reserves[r].sessions, (double)commands / works[w].counted,
                          (double)least / works[w].counted);
            assert_true(commands <= least * 103 / 100);
        }
    }
}

static void test_R63_three_keys_at_random_cost_1_8(void **state)
{
    static const struct work work = {1, 3, true, 60, 240};
    struct trace trace;

    (void)state;
    make_trace(&trace, &work);
    assert_in_range(measure(&trace, &work, &reserves[1]), work.counted, work.counted * 18 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R63_reserve_costs_what_it_must),
        cmocka_unit_test(test_R63_three_keys_at_random_cost_1_8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
