/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager with each of its allocations refused in turn, over libtpms. The files of
 * the manager are compiled once more for this, with seams.h.
 */
#include "alloc-fault.h"
#include "esys-jobs.h"
#include "mirror.h"
#include "rm-world.h"
#include "rm/state.h"
#include "wire/handle.h"
#include "workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* More than a run takes. */
#define MANY 100000

enum { BYSTANDER, CLIENT };

static int setup(void **state)
{
    *state = rm_world_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    rm_world_free(*state);
    assert_int_equal(alloc_fault_held(), 0);
    return 0;
}

/* All clients go; nothing of them may stay, neither in the chip nor in memory. */
static void expect_nothing_left(struct rm_world *world)
{
    for (unsigned i = 0; i < RM_WORLD_CLIENTS; i++)
        rm_world_disconnect(world, i);
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
}

static void renew(struct rm_world *world)
{
    mirror_end(world->rm);
    assert_int_equal(alloc_fault_held(), 0);
    world->rm = rm_new(&world->chip->tpm, &world->facts, &rm_world_limits);
    assert_non_null(world->rm);
    mirror_begin(world->rm);
}

/* Clients that come while there is no memory, and such as had nothing yet. Without memory for a
 * policy the one before stays. */
static void come_and_go(struct rm_world *world)
{
    struct rm_client *client = rm_client_new(world->rm, rm_user_get(world->rm, 3000), 3000);
    const struct shared_policy *before;

    for (enum policy_preset preset = POLICY_OPEN; client && preset < POLICY_PRESETS; preset++) {
        const struct policy policy = policy_preset(preset);

        before = client->policy;
        if (rm_client_set_policy(client, &policy))
            assert_true(policy_is_same(&client->policy->policy, &policy));
        else
            assert_ptr_equal(client->policy, before);
    }
    rm_client_free(client);
}

/* Idle time while memory may be short: the chip is left empty, or the manager knows why not. */
static void step_idle(struct rm_world *world)
{
    enum rm_idle_result result = RM_IDLE_MORE;

    for (unsigned i = 0; i < MANY && result == RM_IDLE_MORE; i++)
        result = rm_idle(world->rm, RM_IDLE_EMPTY);
    if (rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST) > 0
        || rm_world_in_chip(world, HANDLE_LOADED_SESSIONS) > 0)
        assert_int_equal(result, RM_IDLE_NO_MEMORY);
}

/* A day with the memory short from request `nth` on; false when the day took fewer. */
static bool spend_day(struct rm_world *world, unsigned nth, bool lasting)
{
    struct workload bystander, client;
    long held = alloc_fault_held();
    unsigned refused;

    workload_init(&bystander, rm_world_connect(world, BYSTANDER, 1000), 1);
    workload_init(&client, rm_world_connect(world, CLIENT, 2000), 2);
    workload_begin(&bystander);
    workload_use(&bystander);

    mirror_look_away(true);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, nth, lasting);
    come_and_go(world);
    workload_begin(&client);
    workload_use(&client);
    workload_move(&client);
    step_idle(world);
    workload_end(&client);
    step_idle(world);
    workload_use(&client);
    refused = alloc_fault_end();
    mirror_look_away(false);

    /* Who was there before has all that it had, and goes on with it. */
    workload_use(&bystander);
    workload_move(&bystander);
    workload_end(&bystander);
    workload_expect_unhindered(&bystander);
    /* So does the other one, from what it could get. */
    client.refused = 0;
    workload_begin(&client);
    workload_use(&client);
    workload_move(&client);
    workload_end(&client);
    workload_expect_unhindered(&client);
    /* Chip time for others: it is left empty. */
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    workload_clear(&client);
    workload_clear(&bystander);
    /* All that the manager has of clients that went is one answer that it keeps, and the user that
     * it is charged to; the journal may have made its list of what is dropped. */
    expect_nothing_left(world);
    assert_in_range(alloc_fault_held(), held, held + 3);
    return refused > 0;
}

static void spend_days(struct rm_world *world, bool lasting)
{
    unsigned nth = 1;

    while (spend_day(world, nth, lasting)) {
        renew(world);
        assert_true(++nth < MANY);
    }
    /* The day has as many allocations as it has commands that need one. */
    assert_in_range(nth, 30, MANY);
}

static void test_R42_each_allocation_refused(void **state)
{
    spend_days(*state, false);
}

static void test_R42_all_allocations_refused_from_one_on(void **state)
{
    spend_days(*state, true);
}

static void test_R42_no_memory_for_a_manager(void **state)
{
    struct rm_world *world = *state;
    long before = alloc_fault_held();
    struct rm *rm;
    unsigned nth = 0;

    do {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, ++nth, false);
        rm = rm_new(&world->chip->tpm, &world->facts, &rm_world_limits);
        assert_true(rm || alloc_fault_held() == before);
    } while (alloc_fault_end() > 0 && !rm);
    assert_in_range(nth, 2, 20);
    rm_free(rm);
    assert_int_equal(alloc_fault_held(), before);
}

static void test_R42_no_memory_for_a_client(void **state)
{
    struct rm_world *world = *state;
    long before = alloc_fault_held();
    struct rm_client *client;
    unsigned nth = 0;

    do {
        alloc_fault_begin(ALLOC_FAULT_MEMORY, ++nth, false);
        client = rm_client_new(world->rm, rm_user_get(world->rm, 1000), 1000);
        assert_true(client || alloc_fault_held() == before);
    } while (alloc_fault_end() > 0 && !client);
    assert_in_range(nth, 2, 20);
    rm_client_free(client);
    assert_int_equal(alloc_fault_held(), before);
}

/* The journal has room for some contexts more than are there. */
static void claim_and_give_back(struct journal *journal)
{
    struct journal_mark marks[64];

    for (unsigned i = 0; i < 64; i++) {
        marks[i] = (struct journal_mark){.cell.cell = 1};
        assert_true(journal_claim(journal, &marks[i], 0, CHIP_MIN_BUFFER));
    }
    for (unsigned i = 0; i < 64; i++)
        assert_true(journal_claim(journal, &marks[i], 0, 0));
}

/* There is no memory to make the reserve's room with, the chip has room all the same, and the
 * command fails: the client is told why. */
static void test_R42_command_fails_for_its_own_reason(void **state)
{
    /* TPM2_CreatePrimary with a wrong password of the owner. */
    static const uint8_t create_primary[] = {0x80, 2, 0, 0, 0, 28, 0, 0,  1,    0x31,
                                             0x40, 0, 0, 1, 0, 0,  0, 10, 0x40, 0,
                                             0,    9, 0, 0, 0, 0,  1, 'x'};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = rm_world_connect(world, CLIENT, 1000);
    uint32_t code;

    rm_set_reserve(world->rm, &(struct rm_reserve){.objects = 1});
    for (uint8_t i = 0; i + 1u < world->facts.object_slots; i++)
        assert_int_not_equal(job_signing_key(esys, ESYS_TR_RH_OWNER, i), ESYS_TR_NONE);
    /* The first request is for the object that the command makes. */
    claim_and_give_back(world->rm->journal);
    mirror_look_away(true);
    alloc_fault_begin(ALLOC_FAULT_MEMORY, 2, true);
    code = rm_world_send(world, CLIENT, create_primary, sizeof(create_primary), NULL, NULL);
    assert_int_not_equal(alloc_fault_end(), 0);
    mirror_look_away(false);
    assert_int_equal(code, TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1);
    expect_nothing_left(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R42_no_memory_for_a_manager, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R42_no_memory_for_a_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R42_each_allocation_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_R42_all_allocations_refused_from_one_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_R42_command_fails_for_its_own_reason, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
