/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions: how many, how they end, and the context gap. */
#include "esys-jobs.h"
#include "mirror.h"
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

#define CONTINUE TPMA_SESSION_CONTINUESESSION
#define AUDIT    TPMA_SESSION_AUDIT

static uint32_t digest_of(struct rm_world *world, unsigned client, TPM2_HANDLE session)
{
    return raw_send_handle(world, client, TPM2_CC_PolicyGetDigest, session);
}

static void test_R22_all_session_handles_of_the_chip_serve(void **state)
{
    struct rm_world *world = *state;
    uint32_t handles[64], one_more;

    for (unsigned client = 1; client < 4; client++)
        rm_world_connect(world, client, 1000 + client);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(raw_start_session(world, i / 16, TPM2_SE_POLICY, &handles[i]),
                         TPM2_RC_SUCCESS);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(digest_of(world, i / 16, handles[i]), TPM2_RC_SUCCESS);
    assert_int_equal(raw_start_session(world, 0, TPM2_SE_HMAC, &one_more), RM_RC_SESSION_MEMORY);
}

static void test_R22_limit_of_a_client_is_its_own(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 16};
    struct rm_world *world;
    uint32_t handles[64], handle;

    rm_world_teardown(state);
    *state = world = rm_world_new(&limits);
    rm_world_connect(world, 0, 1000);
    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &handles[i]), TPM2_RC_SUCCESS);
    /* Now the chip has no handle left: that is its own answer, and nobody loses anything. */
    assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handle), TPM2_RC_SESSION_HANDLES);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(digest_of(world, 0, handles[i]), TPM2_RC_SUCCESS);
}

static void test_R23_session_ends_only_with_success(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    TPM2B_AUTH wrong = {.size = 3, .buffer = "xyz"}, right = {0};

    for (unsigned i = 0; i < 6; i++) {
        ESYS_TR session = job_session(esys, false);

        assert_int_equal(Esys_TRSess_SetAttributes(esys, session, 0, CONTINUE), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_TR_SetAuth(esys, key, &wrong), TSS2_RC_SUCCESS);
        assert_int_not_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
        assert_int_equal(world->clients[0].client->session_count, 1);
        assert_int_equal(Esys_TR_SetAuth(esys, key, &right), TSS2_RC_SUCCESS);
        assert_int_equal(job_sign(esys, key, session), TSS2_RC_SUCCESS);
        assert_int_equal(world->clients[0].client->session_count, 0);
        assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    }
}

static void test_R23_failed_last_use_leaks_nothing_past_the_client(void **state)
{
    struct rm_world *world = *state;

    for (unsigned i = 0; i < 8; i++) {
        ESYS_CONTEXT *esys = rm_world_connect(world, 1, 1001);
        ESYS_TR session = job_session(esys, true);

        /* A policy session for something that needs none of it: refused, with continue clear. */
        assert_int_not_equal(raw_send_session(world, 1, job_handle(esys, session), AUDIT), 0);
        rm_world_disconnect(world, 1);
    }
    rm_world_idle(world, false);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 0);
}

static void test_R24_one_key_as_salt_and_bind(void **state)
{
    static const TPMT_SYM_DEF symmetric = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_primary(esys, ESYS_TR_RH_OWNER), session;

    for (unsigned i = 0; i < 3; i++)
        job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i); /* the key is out by now */
    assert_int_equal(Esys_StartAuthSession(esys, key, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           NULL, TPM2_SE_HMAC, &symmetric, TPM2_ALG_SHA256,
                                           &session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(esys, session), TSS2_RC_SUCCESS);
}

static void test_R25_saved_sessions_outlive_the_gap(void **state)
{
    struct rm_world *world = *state;
    uint32_t idle_handles[3], handle;
    uint8_t loads[3][4096];
    size_t sizes[3];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &idle_handles[i]), 0);
        sizes[i] = raw_save(world, 0, idle_handles[i], loads[i]);
    }
    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 70000; i++) {
        static uint8_t load[4096];
        size_t size;

        assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
        size = raw_save(world, 1, handle, load);
        if (i % 3 == 0)
            assert_int_equal(raw_send_sized(world, 1, load, size), TPM2_RC_SUCCESS);
        assert_int_equal(raw_send_handle(world, 1, TPM2_CC_FlushContext, handle), TPM2_RC_SUCCESS);
        /* One round of many is compared with the journal. */
        mirror_look_away(i % 100 != 0);
        if (i % 1000 == 0)
            rm_world_idle(world, false);
    }
    mirror_look_away(false);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(raw_send_sized(world, 0, loads[i], sizes[i]), TPM2_RC_SUCCESS);
        assert_int_equal(digest_of(world, 0, idle_handles[i]), TPM2_RC_SUCCESS);
    }
}

static void test_R25_gap_is_closed_on_demand(void **state)
{
    struct rm_world *world = *state;
    uint32_t idle_handle, handle;
    uint8_t load[4096], churn[4096];
    size_t size, churn_size;

    assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &idle_handle), TPM2_RC_SUCCESS);
    size = raw_save(world, 0, idle_handle, load);
    rm_world_connect(world, 1, 1001);
    assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    /* No idle time at all: the chip has to say 0x901 sooner or later. */
    for (unsigned i = 0; i < 70000; i++) {
        churn_size = raw_save(world, 1, handle, churn);
        assert_int_equal(raw_send_sized(world, 1, churn, churn_size), TPM2_RC_SUCCESS);
        assert_int_equal(digest_of(world, 1, handle), TPM2_RC_SUCCESS);
        /* One round of many is compared with the journal. */
        mirror_look_away(i % 100 != 0);
    }
    mirror_look_away(false);
    assert_int_equal(raw_send_sized(world, 0, load, size), TPM2_RC_SUCCESS);
    assert_int_equal(digest_of(world, 0, idle_handle), TPM2_RC_SUCCESS);
}

static void test_R26_abandoned_sessions_make_room(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 64};
    struct rm_world *world;
    uint32_t handle, live[32];
    uint8_t load[4096];

    rm_world_teardown(state);
    *state = world = rm_world_new(&limits);
    rm_world_connect(world, 0, 1000);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &live[i]), TPM2_RC_SUCCESS);
    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
        raw_save(world, 1, handle, load);
    }
    rm_world_disconnect(world, 1);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(digest_of(world, 0, live[i]), TPM2_RC_SUCCESS);
}

static void test_R27_policy_with_a_timeout_and_encryption(void **state)
{
    static const TPMT_SYM_DEF symmetric = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
    static const TPM2B_NONCE no_nonce;
    static const TPM2B_DIGEST none;
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_primary(esys, ESYS_TR_RH_OWNER), session, policy = job_session(esys, true);
    TPM2B_DIGEST *bytes;
    TPM2B_TIMEOUT *timeout;
    TPMT_TK_AUTH *ticket;

    assert_int_equal(Esys_StartAuthSession(esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &symmetric,
                                           TPM2_ALG_SHA256, &session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(
        Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT | TPMA_SESSION_ENCRYPT, 0xff),
        TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < 8; i++) {
        rm_world_idle(world, i % 2);
        job_session(esys, false); /* pushes the others out */
        assert_int_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes),
                         TSS2_RC_SUCCESS);
        assert_int_equal(bytes->size, 16);
        Esys_Free(bytes);
        assert_int_equal(Esys_PolicySecret(esys, ESYS_TR_RH_OWNER, policy, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE, &no_nonce, &none, &none,
                                           -100, &timeout, &ticket),
                         TSS2_RC_SUCCESS);
        Esys_Free(timeout);
        Esys_Free(ticket);
    }
}

static void test_R27_audit_session_stays_exclusive(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false);
    TPM2B_DIGEST *bytes;

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    assert_int_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes), 0);
    Esys_Free(bytes);
    /* From here on the TPM answers only as long as nothing came between. */
    assert_int_equal(Esys_TRSess_SetAttributes(
                         esys, session, CONTINUE | AUDIT | TPMA_SESSION_AUDITEXCLUSIVE, 0xff),
                     0);
    for (unsigned i = 0; i < 4; i++) {
        rm_world_idle(world, i % 2);
        assert_int_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes), 0);
        Esys_Free(bytes);
    }
    assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes),
                     TPM2_RC_EXCLUSIVE);
}

/* What a command of our own that broke makes us ask the chip is asked before the client's command,
 * not after: that would end what the client's command began. */
static void test_R27_exclusiveness_outlives_trouble_on_the_way(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false), key;
    TPMT_PUBLIC area = {.type = TPM2_ALG_KEYEDHASH, .nameAlg = TPM2_ALG_SHA256};
    TPM2B_PUBLIC public = {.publicArea = area};
    TPM2B_DIGEST *bytes;

    public.publicArea.objectAttributes = TPMA_OBJECT_USERWITHAUTH;
    public.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    public.publicArea.unique.keyedHash.size = 32;
    for (uint8_t i = 0; i < 3; i++)
        job_signing_key(esys, ESYS_TR_RH_OWNER, i);
    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    libtpms_chip_inject(world->chip, CHIP_FAULT_TRANSPORT, TPM2_CC_FlushContext, 0, 1);
    assert_int_equal(Esys_LoadExternal(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, NULL, &public,
                                       ESYS_TR_RH_NULL, &key),
                     0);
    assert_int_equal(world->chip->fault_times, 0);
    assert_int_equal(Esys_TRSess_SetAttributes(
                         esys, session, CONTINUE | AUDIT | TPMA_SESSION_AUDITEXCLUSIVE, 0xff),
                     0);
    assert_int_equal(Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes), 0);
    Esys_Free(bytes);
}

/* Reads a list of handles as the client sees it. */
static uint32_t list(struct rm_world *world, unsigned client, uint32_t first, uint32_t count,
                     uint32_t *handles, bool *more)
{
    uint8_t command[COMMAND_OWN_SIZE], response[4096];
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, count);
    uint32_t listed;

    assert_int_equal(rm_world_send(world, client, command, size, response, NULL), TPM2_RC_SUCCESS);
    *more = response[10];
    listed = load_be32(response + 15);
    for (uint32_t i = 0; i < listed; i++)
        handles[i] = load_be32(response + 19 + 4 * (size_t)i);
    return listed;
}

static void test_R28_lists_show_the_callers_own_in_order(void **state)
{
    struct rm_world *world = *state;
    uint32_t mine[6], handles[64];
    uint8_t load[4096];
    bool more;

    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(
            raw_start_session(world, 0, i % 2 ? TPM2_SE_HMAC : TPM2_SE_POLICY, &mine[i]), 0);
        assert_int_equal(raw_start_session(world, 1, TPM2_SE_POLICY, &handles[0]), 0);
    }
    raw_save(world, 0, mine[1], load);
    raw_save(world, 0, mine[4], load);

    assert_int_equal(list(world, 0, HANDLE_LOADED_SESSIONS, 64, handles, &more), 4);
    assert_false(more);
    assert_int_equal(handles[0], mine[0]);
    assert_int_equal(handles[1], mine[2]);
    assert_int_equal(handles[2], mine[3]);
    assert_int_equal(handles[3], mine[5]);
    assert_int_equal(list(world, 0, HANDLE_SAVED_SESSIONS, 64, handles, &more), 2);
    assert_int_equal(handles[0], mine[1]);
    assert_int_equal(handles[1], mine[4] - 0x01000000); /* listed as 0x02......, as the chip does */
    assert_int_equal(list(world, 0, HANDLE_LOADED_SESSIONS, 2, handles, &more), 2);
    assert_true(more);
    assert_int_equal(list(world, 0, HANDLE_LOADED_SESSIONS | ((mine[2] & HANDLE_INDEX_MASK) + 1),
                          64, handles, &more),
                     2);
    assert_int_equal(handles[0], mine[3]);
    assert_int_equal(list(world, 0, 0x02ffffff, 64, handles, &more), 0);
    assert_false(more);
}

static void test_R28_transient_list(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint32_t mine[5], handles[64];
    ESYS_TR third = ESYS_TR_NONE;
    bool more;

    job_hash_sequence(rm_world_connect(world, 1, 1001), "");
    for (unsigned i = 0; i < 5; i++) {
        ESYS_TR sequence = job_hash_sequence(esys, "");

        mine[i] = job_handle(esys, sequence);
        if (i == 2)
            third = sequence;
    }
    assert_int_equal(Esys_FlushContext(esys, third), TSS2_RC_SUCCESS);
    assert_int_equal(list(world, 0, HANDLE_TRANSIENT_FIRST, 254, handles, &more), 4);
    assert_false(more);
    assert_int_equal(handles[1], mine[1]);
    assert_int_equal(handles[2], mine[3]);
    assert_int_equal(list(world, 0, mine[2], 1, handles, &more), 1);
    assert_int_equal(handles[0], mine[3]);
    assert_true(more);
    assert_int_equal(list(world, 0, mine[4] + 1, 254, handles, &more), 0);
}

static uint32_t property(struct rm_world *world, unsigned client, uint32_t which)
{
    uint8_t command[COMMAND_OWN_SIZE], response[4096];
    size_t size = command_build_get_capability(command, TPM2_CAP_TPM_PROPERTIES, which, 1);

    assert_int_equal(rm_world_send(world, client, command, size, response, NULL), TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(response + 19), which);
    return load_be32(response + 23);
}

static void test_R29_variable_properties_are_the_callers(void **state)
{
    struct rm_world *world = *state;
    uint32_t handle;
    uint8_t load[4096];

    rm_world_connect(world, 1, 1001);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(raw_start_session(world, 0, TPM2_SE_POLICY, &handle), TPM2_RC_SUCCESS);
    raw_save(world, 0, handle, load);
    job_hash_sequence(world->clients[0].esys, "");

    assert_int_equal(property(world, 0, TPM2_PT_HR_TRANSIENT_AVAIL), 63);
    assert_int_equal(property(world, 0, TPM2_PT_HR_LOADED), 4);
    assert_int_equal(property(world, 0, TPM2_PT_HR_LOADED_AVAIL), 11);
    assert_int_equal(property(world, 0, TPM2_PT_HR_ACTIVE), 5);
    assert_int_equal(property(world, 0, TPM2_PT_HR_ACTIVE_AVAIL), 11);
    assert_int_equal(property(world, 1, TPM2_PT_HR_TRANSIENT_AVAIL), 64);
    assert_int_equal(property(world, 1, TPM2_PT_HR_ACTIVE), 0);
    assert_int_equal(property(world, 1, TPM2_PT_CONTEXT_GAP_MAX), 0xffffffff);
    assert_int_equal(property(world, 1, TPM2_PT_ACTIVE_SESSIONS_MAX), 64);
}

static void test_R30_audited_answers_pass_unmodified(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR session = job_session(esys, false);
    TPMS_CAPABILITY_DATA *data;

    assert_int_equal(Esys_TRSess_SetAttributes(esys, session, CONTINUE | AUDIT, 0xff), 0);
    /* ESYS checks the HMAC of the answer. */
    assert_int_equal(Esys_GetCapability(esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_TPM_PROPERTIES, TPM2_PT_CONTEXT_GAP_MAX, 1, NULL,
                                        &data),
                     TSS2_RC_SUCCESS);
    assert_int_equal(data->data.tpmProperties.tpmProperty[0].value, 65535);
    Esys_Free(data);
    assert_int_equal(Esys_GetCapability(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                                        TPM2_HT_PERMANENT << 24, 10, NULL, &data),
                     TSS2_RC_SUCCESS);
    Esys_Free(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R22_all_session_handles_of_the_chip_serve),
        TEST(test_R22_limit_of_a_client_is_its_own),
        TEST(test_R23_session_ends_only_with_success),
        TEST(test_R23_failed_last_use_leaks_nothing_past_the_client),
        TEST(test_R24_one_key_as_salt_and_bind),
        TEST(test_R25_saved_sessions_outlive_the_gap),
        TEST(test_R25_gap_is_closed_on_demand),
        TEST(test_R26_abandoned_sessions_make_room),
        TEST(test_R27_policy_with_a_timeout_and_encryption),
        TEST(test_R27_audit_session_stays_exclusive),
        TEST(test_R27_exclusiveness_outlives_trouble_on_the_way),
        TEST(test_R28_lists_show_the_callers_own_in_order),
        TEST(test_R28_transient_list),
        TEST(test_R29_variable_properties_are_the_callers),
        TEST(test_R30_audited_answers_pass_unmodified),
    };

    return cmocka_run_group_tests_name("rm-sessions", tests, NULL, NULL);
}
