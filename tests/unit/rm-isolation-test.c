/* SPDX-License-Identifier: BSD-2-Clause */
/* What one client can do to another: nothing. */
#include "esys-jobs.h"
#include "raw-command.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VICTIM   0
#define ATTACKER 1

static int setup(void **state)
{
    struct rm_world *world = rm_world_new(NULL);

    rm_world_connect(world, VICTIM, 1000);
    rm_world_connect(world, ATTACKER, 1001);
    *state = world;
    return 0;
}

static ESYS_CONTEXT *esys_of(struct rm_world *world, unsigned client)
{
    return world->clients[client].esys;
}

static void test_R01_foreign_object_never_reaches_the_chip(void **state)
{
    struct rm_world *world = *state;
    uint32_t handles[4];

    job_signing_key(esys_of(world, VICTIM), ESYS_TR_RH_OWNER, 1);
    assert_int_equal(libtpms_chip_handles(world->chip, HANDLE_TRANSIENT_FIRST, handles, 4), 1);
    libtpms_chip_clear_counts(world->chip);
    for (uint32_t index = 0; index < 8; index++)
        assert_int_equal(
            raw_send_handle(world, ATTACKER, TPM2_CC_ReadPublic, HANDLE_TRANSIENT_FIRST + index),
            RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_ReadPublic, handles[0]),
                     RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_ReadPublic, 0x80ffffff),
                     RM_RC_HANDLE(0));
    assert_int_equal(world->chip->commands, 0);
}

static void test_R01_second_handle_is_named_by_its_position(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = esys_of(world, ATTACKER);
    TPM2_HANDLE own = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 1));
    uint8_t command[18];

    /* TPM2_Certify: object to certify, key that signs. */
    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_Certify);
    store_be32(command + 10, own);
    store_be32(command + 14, 0x80123456);
    assert_int_equal(rm_world_send(world, ATTACKER, command, sizeof(command), NULL, NULL),
                     RM_RC_HANDLE(1));
}

static void test_R02_foreign_session_is_refused_under_either_type(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    ESYS_TR hmac = job_session(victim, false), policy = job_session(victim, true);
    TPM2_HANDLE handles[] = {job_handle(victim, hmac), job_handle(victim, policy)};

    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t index = handles[i] & HANDLE_INDEX_MASK;

        for (uint32_t type = 0x02000000; type <= 0x03000000; type += 0x01000000) {
            assert_int_equal(raw_send_session(world, ATTACKER, type | index,
                                              TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT),
                             RM_RC_SESSION(0));
            assert_int_equal(
                raw_send_handle(world, ATTACKER, TPM2_CC_PolicyGetDigest, type | index),
                RM_RC_HANDLE(0));
        }
    }
    assert_int_equal(raw_send_session(world, ATTACKER, 0x02000030,
                                      TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT),
                     RM_RC_SESSION(0));
    assert_int_equal(world->chip->commands, 0);
    /* Its owner has both still. */
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handles[1]),
                     TPM2_RC_SUCCESS);
}

static void test_R01_no_object_passes_as_a_session(void **state)
{
    static const uint32_t handles[] = {0x80000000, 0x80ffffff, 0x81000001, 0x01000001, 0x40000001};
    struct rm_world *world = *state;

    job_signing_key(esys_of(world, VICTIM), ESYS_TR_RH_OWNER, 1);
    libtpms_chip_clear_counts(world->chip);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(raw_send_session(world, ATTACKER, handles[i], 0), RM_RC_SESSION(0));
    assert_int_equal(world->chip->commands, 0);
}

static void test_R03_foreign_flush_changes_nothing(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    ESYS_TR key = job_signing_key(victim, ESYS_TR_RH_OWNER, 1), session = job_session(victim, true);
    TPM2_HANDLE handle = job_handle(victim, session);

    assert_int_equal(
        raw_send_handle(world, ATTACKER, TPM2_CC_FlushContext, job_handle(victim, key)),
        RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_FlushContext, handle),
                     RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_FlushContext, handle ^ 0x01000000),
                     RM_RC_PARAMETER_HANDLE);
    rm_world_idle(world, true);
    assert_int_equal(job_sign(victim, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handle),
                     TPM2_RC_SUCCESS);
}

static void test_R04_foreign_session_is_not_saved(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    TPM2_HANDLE handle = job_handle(victim, job_session(victim, true));

    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_ContextSave, handle),
                     RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_ContextSave, handle ^ 0x01000000),
                     RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handle),
                     TPM2_RC_SUCCESS);
}

static void test_R05_session_loads_only_from_its_whole_bytes(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    TPM2_HANDLE handle = job_handle(victim, job_session(victim, true));
    uint8_t command[4096], changed[4096];
    size_t size = raw_save(world, VICTIM, handle, command);

    libtpms_chip_clear_counts(world->chip);
    for (size_t cut = HEADER_SIZE + 12; cut < size; cut += 7) {
        memcpy(changed, command, size);
        assert_int_equal(raw_send_sized(world, ATTACKER, changed, cut), RM_RC_PARAMETER_HANDLE);
    }
    memcpy(changed, command, size);
    changed[size - 1] ^= 1;
    assert_int_equal(raw_send_sized(world, ATTACKER, changed, size), RM_RC_PARAMETER_HANDLE);
    memcpy(changed, command, size);
    changed[size] = 0;
    assert_int_equal(raw_send_sized(world, ATTACKER, changed, size + 1), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(world->chip->commands, 0);

    /* Loaded by its owner it is live: the bytes are worth nothing any more. */
    assert_int_equal(raw_send_sized(world, VICTIM, command, size), TPM2_RC_SUCCESS);
    assert_int_equal(raw_send_sized(world, ATTACKER, command, size), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handle),
                     TPM2_RC_SUCCESS);
}

static void test_R05_evicted_session_cannot_be_guessed(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    TPM2_HANDLE handle = job_handle(victim, job_session(victim, true));
    uint8_t command[64] = {0};

    rm_world_idle(world, true); /* saved, but by us */
    header_store(command, TPM2_ST_NO_SESSIONS, 28, TPM2_CC_ContextLoad);
    store_be32(command + 18, handle);
    store_be32(command + 22, TPM2_RH_NULL);
    assert_int_equal(rm_world_send(world, ATTACKER, command, 28, NULL, NULL),
                     RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handle),
                     TPM2_RC_SUCCESS);
}

static void test_R06_saved_session_moves_to_who_has_its_bytes_once(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    uint8_t command[4096];

    for (unsigned closed = 0; closed < 2; closed++) {
        TPM2_HANDLE handle = job_handle(victim, job_session(victim, true));
        size_t size = raw_save(world, VICTIM, handle, command);

        if (closed)
            rm_world_disconnect(world, VICTIM);
        assert_int_equal(raw_send_sized(world, ATTACKER, command, size), TPM2_RC_SUCCESS);
        assert_int_equal(raw_send_sized(world, ATTACKER, command, size), RM_RC_PARAMETER_HANDLE);
        assert_int_equal(raw_send_handle(world, ATTACKER, TPM2_CC_PolicyGetDigest, handle),
                         TPM2_RC_SUCCESS);
        if (!closed)
            assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, handle),
                             RM_RC_HANDLE(0));
    }
}

static void test_R06_object_and_sequence_contexts_load_anywhere(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *one = esys_of(world, VICTIM), *two = esys_of(world, ATTACKER);
    ESYS_TR key = job_signing_key(one, ESYS_TR_RH_OWNER, 1), sequence = job_hash_sequence(one, "");
    static const TPM2B_MAX_BUFFER data = {.size = 3, .buffer = "abc"};
    TPMS_CONTEXT *key_context, *sequence_context;
    TPM2B_DIGEST *digests[2];
    ESYS_TR loaded;

    assert_int_equal(Esys_ContextSave(one, key, &key_context), TSS2_RC_SUCCESS);
    assert_int_equal(
        Esys_SequenceUpdate(one, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data),
        TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(one, sequence, &sequence_context), TSS2_RC_SUCCESS);
    /* The first goes on; the copy must not notice. */
    assert_int_equal(
        Esys_SequenceUpdate(one, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data),
        TSS2_RC_SUCCESS);
    rm_world_idle(world, true);
    assert_int_equal(Esys_ContextLoad(two, key_context, &loaded), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(two, loaded, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(two, sequence_context, &loaded), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_SequenceComplete(two, loaded, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                           ESYS_TR_NONE, NULL, TPM2_RH_NULL, &digests[0], NULL),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_SequenceComplete(one, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                           ESYS_TR_NONE, NULL, TPM2_RH_NULL, &digests[1], NULL),
                     TSS2_RC_SUCCESS);
    assert_memory_equal(digests[0]->buffer, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8); /* abc */
    assert_memory_equal(digests[1]->buffer, "\xbb\xb5\x9d\xa3\xaf\x93\x9f\x7a", 8); /* abcabc */
    Esys_Free(digests[0]);
    Esys_Free(digests[1]);
    Esys_Free(key_context);
    Esys_Free(sequence_context);
}

static void test_R07_equal_handles_of_two_clients_do_not_meet(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *one = esys_of(world, VICTIM), *two = esys_of(world, ATTACKER);
    ESYS_TR key = job_signing_key(one, ESYS_TR_RH_OWNER, 1);
    ESYS_TR other = job_signing_key(two, ESYS_TR_RH_OWNER, 2);

    assert_int_equal(job_handle(one, key), job_handle(two, other));
    assert_int_equal(Esys_FlushContext(two, other), TSS2_RC_SUCCESS);
    rm_world_idle(world, true);
    assert_int_equal(job_sign(one, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
}

static void test_R08_closing_leaves_nothing_but_saved_sessions(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    uint8_t command[4096];
    size_t size = raw_save(world, VICTIM, job_handle(victim, job_session(victim, true)), command);

    job_session(victim, false);
    job_signing_key(victim, ESYS_TR_RH_OWNER, 1);
    job_hash_sequence(victim, "");
    rm_world_disconnect(world, VICTIM);
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 1);
    assert_int_equal(raw_send_sized(world, ATTACKER, command, size), TPM2_RC_SUCCESS);
    rm_world_disconnect(world, ATTACKER);
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 0);
}

static void test_R08_abandoned_sessions_are_kept_up_to_the_limit(void **state)
{
    struct rm_world *world = *state;
    static uint8_t commands[20][4096];
    size_t sizes[20];

    for (unsigned i = 0; i < 20; i++) {
        ESYS_CONTEXT *esys = rm_world_connect(world, 2, 1002);

        sizes[i] = raw_save(world, 2, job_handle(esys, job_session(esys, true)), commands[i]);
        rm_world_disconnect(world, 2);
    }
    rm_world_idle(world, false);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 16);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(raw_send_sized(world, ATTACKER, commands[i], sizes[i]),
                         i < 4 ? RM_RC_PARAMETER_HANDLE : TPM2_RC_SUCCESS);
}

static void test_R08_the_session_saved_longest_ago_goes_first(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 8, .sessions_per_client = 8, .abandoned_per_uid = 1};
    struct rm_world *world;
    static uint8_t first[4096], second[4096];
    size_t first_size, second_size;
    ESYS_CONTEXT *esys;
    uint32_t one, two;

    rm_world_teardown(state);
    *state = world = rm_world_new(&limits);
    rm_world_connect(world, ATTACKER, 1001);
    esys = rm_world_connect(world, VICTIM, 1000);
    one = job_handle(esys, job_session(esys, true));
    two = job_handle(esys, job_session(esys, true));
    raw_save(world, VICTIM, one, first);
    second_size = raw_save(world, VICTIM, two, second);
    /* The first was saved first; then it is loaded and saved again. */
    first_size = load_be32(first + 2);
    assert_int_equal(raw_send_sized(world, VICTIM, first, first_size), TPM2_RC_SUCCESS);
    first_size = raw_save(world, VICTIM, one, first);
    rm_world_disconnect(world, VICTIM);
    assert_int_equal(raw_send_sized(world, ATTACKER, second, second_size), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_sized(world, ATTACKER, first, first_size), TPM2_RC_SUCCESS);
}

static void test_R06_bytes_that_were_loaded_are_spent_for_ever(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    TPM2_HANDLE handle = job_handle(victim, job_session(victim, true));
    static uint8_t old[4096], new[4096];
    size_t old_size = raw_save(world, VICTIM, handle, old), new_size;

    assert_int_equal(raw_send_sized(world, VICTIM, old, old_size), TPM2_RC_SUCCESS);
    new_size = raw_save(world, VICTIM, handle, new);
    assert_int_equal(raw_send_sized(world, ATTACKER, old, old_size), RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_sized(world, VICTIM, new, new_size), TPM2_RC_SUCCESS);
}

static void test_R09_new_client_sees_nothing_of_an_old_one(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *victim = esys_of(world, VICTIM);
    TPM2_HANDLE key = job_handle(victim, job_signing_key(victim, ESYS_TR_RH_OWNER, 1));
    TPM2_HANDLE session = job_handle(victim, job_session(victim, true));
    TPMS_CAPABILITY_DATA *list;

    rm_world_disconnect(world, VICTIM);
    victim = rm_world_connect(world, VICTIM, 1000);
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_ReadPublic, key), RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, VICTIM, TPM2_CC_PolicyGetDigest, session),
                     RM_RC_HANDLE(0));
    for (uint32_t first = 0x02000000; first <= 0x03000000; first += 0x01000000) {
        assert_int_equal(Esys_GetCapability(victim, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            TPM2_CAP_HANDLES, first, 10, NULL, &list),
                         TSS2_RC_SUCCESS);
        assert_int_equal(list->data.handles.count, 0);
        Esys_Free(list);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R01_foreign_object_never_reaches_the_chip),
        TEST(test_R01_second_handle_is_named_by_its_position),
        TEST(test_R01_no_object_passes_as_a_session),
        TEST(test_R02_foreign_session_is_refused_under_either_type),
        TEST(test_R03_foreign_flush_changes_nothing),
        TEST(test_R04_foreign_session_is_not_saved),
        TEST(test_R05_session_loads_only_from_its_whole_bytes),
        TEST(test_R05_evicted_session_cannot_be_guessed),
        TEST(test_R06_saved_session_moves_to_who_has_its_bytes_once),
        TEST(test_R06_object_and_sequence_contexts_load_anywhere),
        TEST(test_R07_equal_handles_of_two_clients_do_not_meet),
        TEST(test_R08_closing_leaves_nothing_but_saved_sessions),
        TEST(test_R08_abandoned_sessions_are_kept_up_to_the_limit),
        TEST(test_R08_the_session_saved_longest_ago_goes_first),
        TEST(test_R06_bytes_that_were_loaded_are_spent_for_ever),
        TEST(test_R09_new_client_sees_nothing_of_an_old_one),
    };

    return cmocka_run_group_tests_name("rm-isolation", tests, NULL, NULL);
}
