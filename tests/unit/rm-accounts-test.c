/* SPDX-License-Identifier: BSD-2-Clause */
/* What one user can learn of another, or take away from it. */
#include "esys-jobs.h"
#include "raw-command.h"
#include "rm/rc.h"
#include "rm/state.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CONTINUE TPMA_SESSION_CONTINUESESSION
#define AUDIT    TPMA_SESSION_AUDIT

#define RC_SESSIONS_NOT_TAKEN RM_RC(TPM2_RC_AUTH_CONTEXT)

/* Sessions of the chip, TPM_PT_ACTIVE_SESSIONS_MAX of libtpms. */
#define CHIP_SESSIONS 64

static void make_world(void **state, const struct rm_limits *limits)
{
    rm_world_teardown(state);
    *state = rm_world_new(limits);
}

/* A session context that a user's closed connection has left; the ContextLoad for it in `load`. */
static size_t abandon(struct rm_world *world, uint32_t uid, uint8_t load[4096])
{
    const unsigned client = RM_WORLD_CLIENTS - 1;
    uint32_t handle;
    size_t size;

    rm_world_connect(world, client, uid);
    assert_int_equal(raw_start_session(world, client, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    size = raw_save(world, client, handle, load);
    rm_world_disconnect(world, client);
    return size;
}

/* Whether the context still loads; its session is the client's from then on. */
static bool loads(struct rm_world *world, unsigned client, uint8_t load[4096], size_t size)
{
    return raw_send_sized(world, client, load, size) == TPM2_RC_SUCCESS;
}

static const struct rm_limits many = {
    .objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 64};

static void test_R55_a_requester_gives_up_its_own_session_first(void **state)
{
    uint8_t victim[4096], own[2][4096];
    size_t victim_size, own_sizes[2];
    struct rm_world *world;
    uint32_t handle;

    make_world(state, &many);
    world = *state;
    rm_world_connect(world, 0, 1000);
    rm_world_connect(world, 1, 1001);
    victim_size = abandon(world, 1000, victim);
    for (unsigned i = 0; i < 2; i++)
        own_sizes[i] = abandon(world, 1001, own[i]);
    for (unsigned i = 0; i < CHIP_SESSIONS - 2; i++)
        assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    assert_false(loads(world, 1, own[0], own_sizes[0]));
    assert_true(loads(world, 1, own[1], own_sizes[1]));
    assert_true(loads(world, 0, victim, victim_size));
}

static void test_R55_else_the_heaviest_user_gives_one_up(void **state)
{
    uint8_t light[4096], heavy[2][4096];
    size_t light_size, heavy_sizes[2];
    struct rm_world *world;
    uint32_t handle;

    make_world(state, &many);
    world = *state;
    for (unsigned i = 0; i < 3; i++)
        rm_world_connect(world, i, 1000 + i);
    light_size = abandon(world, 1000, light);
    for (unsigned i = 0; i < 2; i++)
        heavy_sizes[i] = abandon(world, 1001, heavy[i]);
    for (unsigned i = 0; i < CHIP_SESSIONS - 2; i++)
        assert_int_equal(raw_start_session(world, 2, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    assert_false(loads(world, 1, heavy[0], heavy_sizes[0]));
    assert_true(loads(world, 1, heavy[1], heavy_sizes[1]));
    assert_true(loads(world, 0, light, light_size));
}

/* Asks for one algorithm from number `first` on, which is another query for each number; how many
 * commands the chip saw for it. */
static uint64_t ask_algorithm(struct rm_world *world, unsigned client, uint32_t first)
{
    uint8_t command[COMMAND_OWN_SIZE], response[4096];
    size_t size = command_build_get_capability(command, TPM2_CAP_ALGS, first, 1);
    uint64_t before = world->chip->commands;

    assert_int_equal(rm_world_send(world, client, command, size, response, NULL), 0);
    return world->chip->commands - before;
}

static void test_R55_a_user_pushes_out_its_own_kept_answers(void **state)
{
    struct rm_world *world = *state;

    rm_world_connect(world, 1, 1001);
    rm_world_connect(world, 2, 1002);
    assert_int_equal(ask_algorithm(world, 0, 0), 1);
    /* Three times as many as there is room for. */
    for (uint32_t i = 1; i <= 3 * RM_ANSWERS; i++)
        assert_int_equal(ask_algorithm(world, 1, i), 1);
    assert_int_equal(ask_algorithm(world, 0, 0), 0);
    /* Who comes later gets its answers kept too, and pushes out none of the light user's. */
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < RM_ANSWERS / 3; i++)
            assert_int_equal(ask_algorithm(world, 2, 1000 + i), round == 0);
    assert_int_equal(ask_algorithm(world, 0, 0), 0);
    /* The heaviest has kept the newest of its own. */
    assert_int_equal(ask_algorithm(world, 1, 3 * RM_ANSWERS), 0);
    assert_int_equal(ask_algorithm(world, 1, 1), 1);
    /* A kept answer outlives its user's connections, and serves others. */
    rm_world_disconnect(world, 0);
    assert_int_equal(ask_algorithm(world, 1, 0), 0);
}

static const struct rm_limits shares = {.objects_per_client = 64,
                                        .sessions_per_client = 64,
                                        .abandoned_per_uid = 16,
                                        .share_sessions = true};

/* Starts all sessions that the client may have. How many; why no more in *code. */
static unsigned start_all(struct rm_world *world, unsigned client, uint32_t *code)
{
    unsigned count = 0;
    uint32_t handle;

    while ((*code = raw_start_session(world, client, TPM2_SE_POLICY, &handle)) == TPM2_RC_SUCCESS)
        count++;
    return count;
}

static void test_R54_ten_users_leave_sessions_for_the_next_and_root(void **state)
{
    struct rm_world *world;
    uint32_t code;

    make_world(state, &shares);
    world = *state;
    for (unsigned i = 0; i < 11; i++)
        rm_world_connect(world, i, 1000 + i);
    assert_int_equal(start_all(world, 0, &code), 30);
    assert_int_equal(code, RM_RC_SESSION_MEMORY);
    assert_int_equal(start_all(world, 1, &code), 15);
    for (unsigned i = 2; i < 11; i++) {
        assert_in_range(start_all(world, i, &code), 1, 15);
        assert_int_equal(code, RM_RC_SESSION_MEMORY);
    }
    rm_world_connect(world, 11, 0);
    assert_in_range(start_all(world, 11, &code), 4, CHIP_SESSIONS);
    assert_int_equal(code, TPM2_RC_SESSION_HANDLES);
}

/* Saved sessions that a user's closed connections left are no reason to refuse another's. */
static void test_R54_abandoned_sessions_take_no_share(void **state)
{
    struct rm_world *world;
    uint8_t load[4096];
    uint32_t code;

    make_world(state, &shares);
    world = *state;
    for (unsigned i = 0; i < 16; i++)
        abandon(world, 1000, load);
    rm_world_connect(world, 0, 1000);
    rm_world_connect(world, 1, 1001);
    assert_int_equal(start_all(world, 0, &code), 30);
    assert_int_equal(start_all(world, 1, &code), 15);
    rm_world_connect(world, 2, 0);
    assert_int_equal(start_all(world, 2, &code), CHIP_SESSIONS - 45);
}

/* What is left for all is nobody's to know. */
static void test_R56_shares_show_nothing_of_others(void **state)
{
    uint8_t command[COMMAND_OWN_SIZE], response[4096];
    struct rm_world *world;
    uint32_t code;
    size_t size;

    make_world(state, &shares);
    world = *state;
    rm_world_connect(world, 0, 1000);
    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 2; i++) {
        size = command_build_get_capability(command, TPM2_CAP_TPM_PROPERTIES,
                                            TPM2_PT_HR_ACTIVE_AVAIL, 1);
        assert_int_equal(rm_world_send(world, 1, command, size, response, NULL), 0);
        assert_int_equal(load_be32(response + 23), 64);
        start_all(world, 0, &code);
    }
}

/* TPM2_GetCapability with one HMAC session, which audits. */
static TSS2_RC audited_capability(ESYS_CONTEXT *esys, ESYS_TR session, uint32_t capability,
                                  uint32_t property, uint32_t count)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TSS2_RC rc = Esys_GetCapability(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, capability, property,
                                    count, NULL, &data);

    Esys_Free(data);
    return rc;
}

static void test_R56_no_session_shows_the_handles_of_others(void **state)
{
    static const uint32_t hidden[] = {HANDLE_TRANSIENT_FIRST, HANDLE_LOADED_SESSIONS,
                                      HANDLE_SAVED_SESSIONS, HANDLE_TRANSIENT_FIRST + 0xffffff};
    static const uint32_t shown[] = {TPM2_HT_NV_INDEX << 24, TPM2_HT_PERSISTENT << 24,
                                     TPM2_HT_PERMANENT << 24, TPM2_HT_PCR << 24};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false);

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        assert_int_equal(audited_capability(esys, session, TPM2_CAP_HANDLES, hidden[i], 10),
                         RC_SESSIONS_NOT_TAKEN);
    assert_int_equal(world->chip->commands, 0);
    /* Its nonces are what they were, and what is everybody's is still shown. */
    for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        assert_int_equal(audited_capability(esys, session, TPM2_CAP_HANDLES, shown[i], 10), 0);
}

static void test_R56_no_session_shows_how_much_others_hold(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false);

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    for (uint32_t property = TPM2_PT_HR_LOADED; property <= TPM2_PT_HR_TRANSIENT_AVAIL; property++)
        assert_int_equal(audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, property, 1),
                         RC_SESSIONS_NOT_TAKEN);
    assert_int_equal(audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, 100),
                     RC_SESSIONS_NOT_TAKEN);
    assert_int_equal(
        audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 2), 0);
    assert_int_equal(
        audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_HR_PERSISTENT, 100), 0);
    assert_int_equal(audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, 127),
                     0);
}

/* Of a group of properties no more is told than the group has, so that what is hidden cannot be
 * reached from the group before. */
static void test_R56_fixed_properties_do_not_run_on(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false);

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    assert_int_equal(audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR - 1, 9),
                     RC_SESSIONS_NOT_TAKEN);
    assert_int_equal(audited_capability(esys, session, TPM2_CAP_TPM_PROPERTIES, 0, UINT32_MAX),
                     RC_SESSIONS_NOT_TAKEN);
}

static void lose_answer(struct rm_world *world, enum chip_fault fault, uint32_t command)
{
    libtpms_chip_inject(world->chip, fault, command, 0, 1);
}

static void session_of_a_lost_answer(struct rm_world *world, enum chip_fault fault)
{
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false), other = job_session(esys, false);
    TPM2_HANDLE handle = job_handle(esys, session);
    TPM2B_DIGEST *bytes = NULL;

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    lose_answer(world, fault, TPM2_CC_GetRandom);
    assert_int_not_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes), 0);
    assert_int_equal(world->chip->fault_times, 0);
    assert_int_equal(raw_send_session(world, 0, handle, CONTINUE), RM_RC_SESSION(0));
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyGetDigest, handle), RM_RC_HANDLE(0));
    assert_int_equal(world->clients[0].client->session_count, 1);
    rm_world_idle(world, false);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 1);
    assert_int_equal(Esys_TRSess_SetAttributes(esys, other, CONTINUE | AUDIT, 0xff), 0);
    assert_int_equal(Esys_GetRandom(esys, other, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes), 0);
    Esys_Free(bytes);
    assert_int_equal(Esys_FlushContext(esys, other), 0);
}

static void test_R62_a_lost_answer_ends_the_sessions_that_were_named(void **state)
{
    static const enum chip_fault faults[] = {CHIP_FAULT_LOST, CHIP_FAULT_CUT, CHIP_FAULT_TRANSPORT};

    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        session_of_a_lost_answer(*state, faults[i]);
}

/* A policy that lost a step looks whole to its owner, who gets a wrong answer from the TPM when
 * the key that it opens is used. */
static void test_R62_a_lost_answer_ends_a_session_in_the_handle_area(void **state)
{
    struct rm_world *world = *state;
    uint32_t handle;

    assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    lose_answer(world, CHIP_FAULT_LOST, TPM2_CC_PolicyAuthValue);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyAuthValue, handle), RM_RC_FAILURE);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_PolicyAuthValue, handle), RM_RC_HANDLE(0));
}

static TSS2_RC update(ESYS_CONTEXT *esys, ESYS_TR sequence)
{
    static const TPM2B_MAX_BUFFER more = {.size = 3, .buffer = {'a', 'b', 'c'}};

    return Esys_SequenceUpdate(esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &more);
}

static void test_R62_a_lost_answer_ends_the_sequence_that_was_named(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR sequence = job_hash_sequence(esys, ""), other = job_hash_sequence(esys, "");
    TPM2_HANDLE handle = job_handle(esys, sequence);

    lose_answer(world, CHIP_FAULT_LOST, TPM2_CC_SequenceUpdate);
    assert_int_equal(update(esys, sequence), RM_RC_FAILURE);
    assert_int_equal(update(esys, sequence), RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handle), RM_RC_HANDLE(0));
    assert_int_equal(update(esys, other), TPM2_RC_SUCCESS);
    rm_world_idle(world, false);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 1);
}

/* A sequence that came back from a context of its client's is known by that. */
static void test_R62_a_lost_answer_ends_a_sequence_that_was_loaded(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR sequence = job_hash_sequence(esys, ""), again;
    TPMS_CONTEXT *context;

    assert_int_equal(Esys_ContextSave(esys, sequence, &context), 0);
    assert_int_equal(Esys_FlushContext(esys, sequence), 0);
    rm_world_idle(world, true);
    assert_int_equal(Esys_ContextLoad(esys, context, &again), 0);
    Esys_Free(context);
    lose_answer(world, CHIP_FAULT_LOST, TPM2_CC_SequenceUpdate);
    assert_int_equal(update(esys, again), RM_RC_FAILURE);
    assert_int_equal(update(esys, again), RM_RC_HANDLE(0));
}

/* A key is what it was. */
static void test_R62_a_lost_answer_leaves_keys_alone(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);

    lose_answer(world, CHIP_FAULT_LOST, TPM2_CC_Sign);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), RM_RC_FAILURE);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TPM2_RC_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R54_ten_users_leave_sessions_for_the_next_and_root),
        TEST(test_R54_abandoned_sessions_take_no_share),
        TEST(test_R56_shares_show_nothing_of_others),
        TEST(test_R55_a_requester_gives_up_its_own_session_first),
        TEST(test_R55_else_the_heaviest_user_gives_one_up),
        TEST(test_R55_a_user_pushes_out_its_own_kept_answers),
        TEST(test_R56_no_session_shows_the_handles_of_others),
        TEST(test_R56_no_session_shows_how_much_others_hold),
        TEST(test_R56_fixed_properties_do_not_run_on),
        TEST(test_R62_a_lost_answer_ends_the_sessions_that_were_named),
        TEST(test_R62_a_lost_answer_ends_a_session_in_the_handle_area),
        TEST(test_R62_a_lost_answer_ends_the_sequence_that_was_named),
        TEST(test_R62_a_lost_answer_ends_a_sequence_that_was_loaded),
        TEST(test_R62_a_lost_answer_leaves_keys_alone),
    };

    return cmocka_run_group_tests_name("rm-accounts", tests, NULL, NULL);
}
