/* SPDX-License-Identifier: BSD-2-Clause */
/* A chip that is busy, reset, broken or out of reach. */
#include "esys-jobs.h"
#include "raw-command.h"
#include "rm/rc.h"
#include "rm/state.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_R31_busy_chip_is_tried_again_within_a_budget(void **state)
{
    static const uint32_t busy[] = {TPM2_RC_RETRY, TPM2_RC_TESTING, TPM2_RC_YIELDED};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint8_t command[12];

    for (unsigned i = 0; i < 3; i++) {
        libtpms_chip_clear_counts(world->chip);
        libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_GetRandom, busy[i], 3);
        assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
        assert_int_equal(world->chip->commands, 4);

        /* ESYS itself tries again, so the budget's end is looked at without it. */
        header_store(command, TPM2_ST_NO_SESSIONS, 12, TPM2_CC_GetRandom);
        store_be16(command + 10, 8);
        libtpms_chip_clear_counts(world->chip);
        libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_GetRandom, busy[i], 1000);
        assert_int_equal(rm_world_send(world, 0, command, 12, NULL, NULL), busy[i]);
        assert_int_equal(world->chip->commands, 1 + world->chip->retries_allowed);
        libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    }
}

static void test_R31_other_warnings_are_handed_on(void **state)
{
    static const uint32_t warnings[] = {TPM2_RC_NV_RATE, TPM2_RC_LOCKOUT, TPM2_RC_NV_UNAVAILABLE,
                                        TPM2_RC_CANCELED};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;

    for (unsigned i = 0; i < 4; i++) {
        libtpms_chip_clear_counts(world->chip);
        libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_GetRandom, warnings[i], 1);
        assert_int_equal(job_random(esys), warnings[i]);
        assert_int_equal(world->chip->commands, 1);
    }
}

static void test_R31_retries_while_swapping_cost_no_object(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_ContextSave, TPM2_CC_ContextLoad, TPM2_CC_FlushContext,
                                     TPM2_CC_Sign};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5];

    for (unsigned i = 0; i < 5; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned times = 1; times < 30; times += 7) {
            libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, codes[i], TPM2_RC_RETRY, times);
            for (unsigned k = 0; k < 10; k++)
                job_sign(esys, keys[k % 5], ESYS_TR_PASSWORD);
            libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
            for (unsigned k = 0; k < 5; k++)
                assert_int_equal(job_sign(esys, keys[k], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        }
    }
}

static void test_R32_reset_takes_what_the_chip_lost_and_no_more(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;

    for (unsigned idle = 0; idle < 2; idle++) {
        uint32_t key = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 1));
        uint32_t session = job_handle(esys, job_session(esys, true));
        uint8_t load[4096];

        raw_save(world, 0, job_handle(esys, job_session(esys, true)), load);
        rm_world_idle(world, idle);
        libtpms_chip_power_cycle(world->chip);
        assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, key), RM_RC_HANDLE(0));
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, session),
                         RM_RC_HANDLE(0));
        assert_int_equal(world->clients[0].client->session_count, 0);
        /* It can go on with new ones. */
        assert_int_equal(
            job_sign(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 2), ESYS_TR_PASSWORD),
            TSS2_RC_SUCCESS);
        job_session(esys, false);
        rm_world_disconnect(world, 0);
        esys = rm_world_connect(world, 0, 1000);
    }
}

static void test_R32_restart_keeps_saved_contexts(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint32_t key = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 1));
    uint32_t session = job_handle(esys, job_session(esys, true)), saved;
    uint8_t load[4096];
    size_t size;

    saved = job_handle(esys, job_session(esys, true));
    size = raw_save(world, 0, saved, load);
    rm_world_idle(world, true);
    /* Shutdown(STATE), then Startup(CLEAR): a TPM Restart. */
    assert_int_equal(Esys_Shutdown(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_STATE),
                     TSS2_RC_SUCCESS);
    libtpms_chip_power_cycle(world->chip);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, key), TPM2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, session), TPM2_RC_SUCCESS);
    assert_int_equal(raw_send_sized(world, 0, load, size), TPM2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, saved), TPM2_RC_SUCCESS);
}

static void test_R32_reset_in_the_middle_of_swapping(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5];

    for (unsigned i = 0; i < 5; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    libtpms_chip_power_cycle(world->chip);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, job_handle(esys, keys[i])),
                         RM_RC_HANDLE(0));
    assert_int_equal(world->clients[0].client->handles.count, 0);
}

static uint32_t get_test_result(struct rm_world *world)
{
    uint8_t command[HEADER_SIZE];

    header_store(command, TPM2_ST_NO_SESSIONS, HEADER_SIZE, TPM2_CC_GetTestResult);
    return rm_world_send(world, 0, command, HEADER_SIZE, NULL, NULL);
}

static void test_R33_failure_mode_sends_nothing_of_our_own(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5];

    for (unsigned i = 0; i < 5; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_GetRandom, TPM2_RC_FAILURE, 1);
    assert_int_equal(job_random(esys), TPM2_RC_FAILURE);
    libtpms_chip_clear_counts(world->chip);
    rm_world_idle(world, true);
    for (unsigned i = 0; i < 5; i++) {
        libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, 0, TPM2_RC_FAILURE, 1);
        assert_int_equal(job_sign(esys, keys[i], ESYS_TR_PASSWORD), TPM2_RC_FAILURE);
    }
    assert_int_equal(world->chip->context_commands, 0);
    libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    assert_int_equal(get_test_result(world), TPM2_RC_SUCCESS);
    /* A chip that was reset works again. */
    libtpms_chip_power_cycle(world->chip);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    job_signing_key(esys, ESYS_TR_RH_OWNER, 9);
}

static void test_R34_broken_transport_costs_nobody_a_key(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5], session = job_session(esys, false);

    for (unsigned i = 0; i < 5; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    libtpms_chip_inject(world->chip, CHIP_FAULT_TRANSPORT, 0, 0, 20);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(job_sign(esys, keys[i % 5], ESYS_TR_PASSWORD), RM_RC_FAILURE);
    assert_true(rm_tpm_lost(world->rm));
    assert_int_equal(rm_idle(world->rm, RM_IDLE_EMPTY), RM_IDLE_DONE);
    libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(job_sign(esys, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_false(rm_tpm_lost(world->rm));
    assert_int_equal(job_sign(esys, keys[0], session), TSS2_RC_SUCCESS);
}

static void test_R37_killed_daemon_leaves_no_session_of_its_own(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    static struct ledger ledger;
    uint32_t neighbour, saved, handles[8];
    uint8_t load[4096];
    unsigned flushed;
    int64_t detail;

    /* A session that stands in no ledger is a neighbour's. */
    neighbour = job_handle(esys, job_session(esys, true));
    raw_save(world, 0, neighbour, load);
    ledger_clear(&ledger);
    rm_set_ledger(world->rm, &ledger);
    saved = job_handle(esys, job_session(esys, true));
    raw_save(world, 0, saved, load);
    job_session(esys, false);
    assert_int_equal(Esys_FlushContext(esys, job_session(esys, false)), TSS2_RC_SUCCESS);
    rm_world_idle(world, false);
    rm_set_ledger(world->rm, NULL);

    world->apart = true;
    assert_int_equal(chip_flush_recorded(&world->chip->tpm, &ledger, &flushed, &detail), CHIP_OK);
    assert_int_equal(flushed, 2);
    assert_int_equal(libtpms_chip_handles(world->chip, HANDLE_LOADED_SESSIONS, handles, 8), 0);
    assert_int_equal(libtpms_chip_handles(world->chip, HANDLE_SAVED_SESSIONS, handles, 8), 1);
    assert_int_equal(handles[0] & HANDLE_INDEX_MASK, neighbour & HANDLE_INDEX_MASK);

    /* Killed between the chip's making a session and our knowing of it. */
    job_session(esys, false);
    ledger.starting = true;
    assert_int_equal(chip_flush_recorded(&world->chip->tpm, &ledger, &flushed, &detail), CHIP_OK);
    assert_int_equal(libtpms_chip_handles(world->chip, HANDLE_LOADED_SESSIONS, handles, 8), 0);
}

static void test_R14_lost_answer_to_a_save_leaks_no_session(void **state)
{
    static const enum chip_fault faults[] = {CHIP_FAULT_LOST, CHIP_FAULT_CUT, CHIP_FAULT_GARBAGE};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session;

    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++)
            job_session(esys, true);
        /* To start a fourth, one of the three is saved, and the answer to that does not come. */
        libtpms_chip_inject(world->chip, faults[i], TPM2_CC_ContextSave, 0, 1);
        job_try_session(esys, TPM2_SE_HMAC, &session);
        assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
        assert_int_equal(job_try_session(esys, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
        rm_world_disconnect(world, 0);
        rm_world_idle(world, false);
        assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
        assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 0);
        esys = rm_world_connect(world, 0, 1000);
    }
}

/* Nor does it when the chip's list of what it has is spoilt after that: as long as nobody knows
 * what is loaded, that a context does not load says nothing of it. */
static void test_R14_lost_answer_to_a_load_costs_no_session(void **state)
{
    static const enum chip_fault faults[] = {CHIP_FAULT_LOST, CHIP_FAULT_CUT, CHIP_FAULT_GARBAGE};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint32_t session = job_handle(esys, job_session(esys, true));

    for (unsigned i = 0; i < 6; i++) {
        rm_world_idle(world, true);
        libtpms_chip_inject(world->chip, faults[i / 2], TPM2_CC_ContextLoad, 0, 1);
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, session),
                         RM_RC_FAILURE);
        if (i % 2) {
            libtpms_chip_inject(world->chip, CHIP_FAULT_CUT, TPM2_CC_GetCapability, 0, 1);
            assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, session),
                             RM_RC_FAILURE);
        }
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, session),
                         TPM2_RC_SUCCESS);
    }
}

/* The chip has flushed a key, and loaded another one in its place, and the answers to both were
 * spoilt, as are those that would have told. */
static void test_R21_spoilt_answers_leave_no_stale_handle(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *first = world->clients[0].esys, *second = rm_world_connect(world, 1, 2000);
    ESYS_TR signer = job_signing_key(first, ESYS_TR_RH_OWNER, 1);
    uint32_t key = job_handle(first, signer);
    uint32_t other = job_handle(second, job_signing_key(second, ESYS_TR_RH_OWNER, 2));

    rm_world_idle(world, true);
    assert_int_equal(job_sign(first, signer, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CUT, TPM2_CC_FlushContext, 0, 1);
    rm_idle(world->rm, RM_IDLE_EMPTY);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CUT, 0, 0, 2);
    assert_int_equal(raw_send_handle(world, 1, TPM2_CC_ReadPublic, other), RM_RC_FAILURE);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CUT, TPM2_CC_GetCapability, 0, 1);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, key), RM_RC_FAILURE);
    libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, key), TPM2_RC_SUCCESS);
}

static void test_R32_reset_leaves_no_dead_object_behind(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), again;
    uint32_t handle = job_handle(esys, key);
    TPMS_CONTEXT *context;

    assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handle), TPM2_RC_SUCCESS);
    rm_world_idle(world, true);
    libtpms_chip_power_cycle(world->chip);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    assert_int_equal(world->clients[0].client->handles.count, 0);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handle), RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ContextSave, handle), RM_RC_HANDLE(0));
    assert_int_not_equal(Esys_ContextLoad(esys, context, &again), TSS2_RC_SUCCESS);
    Esys_Free(context);
}

/* Which kind of reset it was is asked until the chip has said so. */
static void test_R32_lost_answer_about_a_reset_keeps_nothing_alive(void **state)
{
    static const enum chip_fault faults[] = {CHIP_FAULT_TRANSPORT, CHIP_FAULT_LOST, CHIP_FAULT_CUT,
                                             CHIP_FAULT_CODE};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key;

    world->chip->retries_allowed = 0;
    for (unsigned i = 0; i < 4; i++) {
        job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
        rm_world_idle(world, true);
        libtpms_chip_power_cycle(world->chip);
        libtpms_chip_inject(world->chip, faults[i], TPM2_CC_ReadClock, TPM2_RC_RETRY, 1);
        key = job_signing_key(esys, ESYS_TR_RH_OWNER, 2);
        assert_int_equal(world->chip->fault_times, 0);
        assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_equal(world->clients[0].client->handles.count, 1);
        assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
    }
}

/* What became of sessions the chip is asked all the same. */
static void test_R32_lost_answer_about_a_reset_keeps_no_session(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint32_t session = job_handle(esys, job_session(esys, true));

    world->chip->retries_allowed = 0;
    libtpms_chip_power_cycle(world->chip);
    libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, TPM2_CC_ReadClock, TPM2_RC_TESTING, 1);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ContextSave, session), RM_RC_HANDLE(0));
}

static void test_R32_reset_is_noticed_while_idle(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;

    job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    job_session(esys, true);
    libtpms_chip_power_cycle(world->chip);
    rm_world_idle(world, true);
    assert_int_equal(world->clients[0].client->handles.count, 0);
    assert_int_equal(world->clients[0].client->session_count, 0);
}

static void test_R34_transport_that_breaks_while_room_is_made_is_told(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5];

    for (unsigned i = 0; i < 5; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    /* More is loaded than we believe fits: the chip's refusal asks for a flush, which breaks. */
    world->rm->chip.object_slots = 4;
    libtpms_chip_inject(world->chip, CHIP_FAULT_TRANSPORT, TPM2_CC_FlushContext, 0, 1);
    assert_int_equal(job_sign(esys, keys[0], ESYS_TR_PASSWORD), RM_RC_FAILURE);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(job_sign(esys, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
}

static void test_R40_commands_go_under_the_clients_locality(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other = rm_world_connect(world, 1, 0);

    rm_client_set_locality(world->clients[1].client, 2);
    assert_int_equal(job_random(other), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->last_locality, 2);
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    assert_int_equal(world->chip->last_locality, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R31_busy_chip_is_tried_again_within_a_budget),
        TEST(test_R31_other_warnings_are_handed_on),
        TEST(test_R31_retries_while_swapping_cost_no_object),
        TEST(test_R32_reset_takes_what_the_chip_lost_and_no_more),
        TEST(test_R32_restart_keeps_saved_contexts),
        TEST(test_R32_reset_in_the_middle_of_swapping),
        TEST(test_R33_failure_mode_sends_nothing_of_our_own),
        TEST(test_R34_broken_transport_costs_nobody_a_key),
        TEST(test_R37_killed_daemon_leaves_no_session_of_its_own),
        TEST(test_R14_lost_answer_to_a_save_leaks_no_session),
        TEST(test_R14_lost_answer_to_a_load_costs_no_session),
        TEST(test_R21_spoilt_answers_leave_no_stale_handle),
        TEST(test_R32_reset_leaves_no_dead_object_behind),
        TEST(test_R32_lost_answer_about_a_reset_keeps_nothing_alive),
        TEST(test_R32_lost_answer_about_a_reset_keeps_no_session),
        TEST(test_R32_reset_is_noticed_while_idle),
        TEST(test_R34_transport_that_breaks_while_room_is_made_is_told),
        TEST(test_R40_commands_go_under_the_clients_locality),
    };

    return cmocka_run_group_tests_name("rm-lifecycle", tests, NULL, NULL);
}
