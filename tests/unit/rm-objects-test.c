/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects: limits, sequences, hierarchies, persistent ones, failures on the way. */
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

static int setup(void **state)
{
    struct rm_world *world = rm_world_new(NULL);

    rm_world_connect(world, 0, 1000);
    rm_world_connect(world, 1, 1001);
    *state = world;
    return 0;
}

static const TPM2B_MAX_BUFFER abc = {.size = 3, .buffer = "abc"};

static TSS2_RC update(ESYS_CONTEXT *esys, ESYS_TR sequence)
{
    return Esys_SequenceUpdate(esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &abc);
}

static TSS2_RC complete(ESYS_CONTEXT *esys, ESYS_TR sequence, uint8_t digest[32])
{
    TPM2B_DIGEST *result = NULL;
    TSS2_RC code = Esys_SequenceComplete(esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                         ESYS_TR_NONE, NULL, TPM2_RH_NULL, &result, NULL);

    if (code == TSS2_RC_SUCCESS && digest)
        memcpy(digest, result->buffer, 32);
    Esys_Free(result);
    return code;
}

static void test_R07_handles_survive_the_wrap(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR first = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), key;

    assert_int_equal(job_handle(esys, first), 0x80000000);
    world->clients[0].client->handles.next = 0xfffffe;
    journal_touch(world->rm->journal, &world->clients[0].client->mark);
    key = job_signing_key(esys, ESYS_TR_RH_OWNER, 2);
    assert_int_equal(job_handle(esys, key), 0x80fffffe);
    key = job_signing_key(esys, ESYS_TR_RH_OWNER, 3);
    assert_int_equal(job_handle(esys, key), 0x80ffffff);
    key = job_signing_key(esys, ESYS_TR_RH_OWNER, 4);
    assert_int_equal(job_handle(esys, key), 0x80000001);
    assert_int_equal(job_sign(esys, first, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
}

static void test_R07_handles_go_round_the_circle_many_times(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    TPM2_HANDLE handle = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 1));
    uint8_t load[4096], flush[14], command[4096], response[4096];
    size_t size = raw_save(world, 0, handle, load);

    for (unsigned i = 0; i < (1 << 18); i++) {
        memcpy(command, load, size);
        assert_int_equal(rm_execute(world->rm, world->clients[0].client, command, size, response),
                         14);
        header_store(flush, TPM2_ST_NO_SESSIONS, 14, TPM2_CC_FlushContext);
        memcpy(flush + 10, response + 10, 4);
        assert_int_equal(rm_execute(world->rm, world->clients[0].client, flush, 14, response), 10);
        world->clients[0].client->handles.next += 0x3f; /* through the whole circle */
        world->clients[0].client->handles.next &= HANDLE_INDEX_MASK;
        journal_touch(world->rm->journal, &world->clients[0].client->mark);
        journal_commit(world->rm->journal);
    }
    assert_int_equal(world->clients[0].client->handles.count, 1);
}

/* The Name that is known again is the one that ESYS computed of the public area. */
static void test_names_are_learned_from_the_answer(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_primary(esys, ESYS_TR_RH_OWNER), sequence = job_hash_sequence(esys, "");
    struct handles *handles = &world->clients[0].client->handles;
    const struct object *object = handles_find(handles, job_handle(esys, key));
    TPM2B_NAME *name = NULL;

    assert_int_equal(Esys_TR_GetName(esys, key, &name), TSS2_RC_SUCCESS);
    assert_int_equal(object->name_size, name->size);
    assert_memory_equal(object->name, name->name, name->size);
    Esys_Free(name);
    assert_int_equal(handles_find(handles, job_handle(esys, sequence))->name_size, 0);
}

static void test_R16_every_way_to_make_an_object_counts(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 2, .sessions_per_client = 16, .abandoned_per_uid = 16};
    struct rm_world *world;
    ESYS_CONTEXT *esys;
    ESYS_TR primary, key;
    TPMS_CONTEXT *context;
    TPM2B_AUTH none = {0};
    TPM2B_PUBLIC *public;
    TSS2_RC code;

    rm_world_teardown(state);
    *state = world = rm_world_new(&limits);
    esys = rm_world_connect(world, 0, 1000);
    primary = job_primary(esys, ESYS_TR_RH_OWNER);
    assert_int_equal(Esys_ReadPublic(esys, primary, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &public, NULL, NULL),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(esys, primary, &context), TSS2_RC_SUCCESS);
    job_hash_sequence(esys, "");

    assert_int_equal(job_try_signing_key(esys, ESYS_TR_RH_OWNER, 9, &key), 0xB0902);
    assert_int_equal(Esys_LoadExternal(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, public,
                                       ESYS_TR_RH_NULL, &key),
                     0xB0902);
    assert_int_equal(Esys_HashSequenceStart(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &none,
                                            TPM2_ALG_SHA256, &key),
                     0xB0902);
    code = Esys_HMAC_Start(esys, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &none,
                           TPM2_ALG_SHA256, &key);
    assert_int_equal(code, 0xB0902);
    assert_int_equal(Esys_ContextLoad(esys, context, &key), 0xB0902);
    /* Somebody else is not held by that limit. */
    job_signing_key(rm_world_connect(world, 1, 1000), ESYS_TR_RH_OWNER, 1);
    Esys_Free(context);
    Esys_Free(public);
}

static void test_R16_sixty_four_objects_by_default(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[64], one_more;

    for (unsigned i = 0; i < 64; i++)
        keys[i] = job_hash_sequence(esys, "");
    assert_int_equal(job_try_signing_key(esys, ESYS_TR_RH_OWNER, 1, &one_more), 0xB0902);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(update(esys, keys[i]), TSS2_RC_SUCCESS);
    assert_int_equal(complete(esys, keys[7], NULL), TSS2_RC_SUCCESS);
    job_hash_sequence(esys, "");
}

static void test_R41_connections_of_one_user_share_a_total(void **state)
{
    static const struct rm_limits limits = {.objects_per_client = 8,
                                            .sessions_per_client = 8,
                                            .objects_per_uid = 10,
                                            .sessions_per_uid = 10,
                                            .abandoned_per_uid = 16};
    struct rm_world *world;
    ESYS_CONTEXT *esys[3];
    ESYS_TR object;

    rm_world_teardown(state);
    *state = world = rm_world_new(&limits);
    for (unsigned i = 0; i < 3; i++)
        esys[i] = rm_world_connect(world, i, i < 2 ? 1000 : 1001);
    for (unsigned i = 0; i < 10; i++) {
        job_hash_sequence(esys[i / 8], "");
        job_session(esys[i / 8], true);
    }
    assert_int_equal(job_try_signing_key(esys[1], ESYS_TR_RH_OWNER, 1, &object), 0xB0902);
    assert_int_equal(job_try_session(esys[1], TPM2_SE_HMAC, &object), 0xB0903);
    job_hash_sequence(esys[2], "");
    job_session(esys[2], true);
    /* What one connection gives back, another of the same user may have. */
    rm_world_disconnect(world, 0);
    for (unsigned i = 0; i < 6; i++) {
        job_hash_sequence(esys[1], "");
        job_session(esys[1], true);
    }
}

static void test_R17_failed_completion_keeps_the_sequence(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    TPM2B_AUTH right = {.size = 3, .buffer = "abc"}, wrong = {.size = 3, .buffer = "xyz"};
    uint8_t digest[32];

    for (unsigned round = 0; round < 8; round++) {
        ESYS_TR sequence = job_hash_sequence(esys, "abc");

        assert_int_equal(Esys_TR_SetAuth(esys, sequence, &wrong), TSS2_RC_SUCCESS);
        assert_int_not_equal(complete(esys, sequence, NULL), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_TR_SetAuth(esys, sequence, &right), TSS2_RC_SUCCESS);
        assert_int_equal(update(esys, sequence), TSS2_RC_SUCCESS);
        assert_int_equal(complete(esys, sequence, digest), TSS2_RC_SUCCESS);
        assert_memory_equal(digest, "\xba\x78\x16\xbf", 4);
    }
    assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 0);
}

static void test_R17_sequences_survive_eviction(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR sequences[7];
    uint8_t digest[32];

    for (unsigned i = 0; i < 7; i++)
        sequences[i] = job_hash_sequence(esys, "");
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 7; i++)
            assert_int_equal(update(esys, sequences[i]), TSS2_RC_SUCCESS);
        rm_world_idle(world, round == 0);
    }
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(complete(esys, sequences[i], digest), TSS2_RC_SUCCESS);
        assert_memory_equal(digest, "\xbb\xb5\x9d\xa3", 4);
    }
}

static void test_R18_context_of_a_closed_client_loads(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *one = world->clients[0].esys, *two = world->clients[1].esys;
    TPMS_CONTEXT *context;
    ESYS_TR key;

    for (unsigned idle = 0; idle < 2; idle++) {
        key = job_signing_key(one, ESYS_TR_RH_OWNER, (uint8_t)idle);
        assert_int_equal(Esys_ContextSave(one, key, &context), TSS2_RC_SUCCESS);
        rm_world_disconnect(world, 0);
        if (idle)
            rm_world_idle(world, true);
        assert_int_equal(Esys_ContextLoad(two, context, &key), TSS2_RC_SUCCESS);
        assert_int_equal(job_sign(two, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_FlushContext(two, key), TSS2_RC_SUCCESS);
        Esys_Free(context);
        one = rm_world_connect(world, 0, 1000);
    }
}

/* The commands of a hierarchy's end, under platform authorization. */
static TSS2_RC end_hierarchy(ESYS_CONTEXT *esys, uint32_t code)
{
    switch (code) {
    case TPM2_CC_Clear:
        return Esys_Clear(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
    case TPM2_CC_ChangePPS:
        return Esys_ChangePPS(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE);
    default:
        return Esys_ChangeEPS(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE);
    }
}

static void test_R19_objects_of_a_changed_hierarchy_die(void **state)
{
    static const struct {
        uint32_t code;
        bool dies[4]; /* owner, endorsement, platform, null */
    } cases[] = {
        {TPM2_CC_Clear, {true, true, false, false}},
        {TPM2_CC_ChangePPS, {false, false, true, false}},
        {TPM2_CC_ChangeEPS, {false, true, false, false}},
    };
    static const ESYS_TR hierarchies[] = {ESYS_TR_RH_OWNER, ESYS_TR_RH_ENDORSEMENT,
                                          ESYS_TR_RH_PLATFORM, ESYS_TR_RH_NULL};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other = world->clients[1].esys;

    for (unsigned evicted = 0; evicted < 2; evicted++) {
        for (unsigned i = 0; i < 3; i++) {
            ESYS_TR keys[4];
            uint32_t handles[4], alive = 0;
            TPMS_CAPABILITY_DATA *list;

            for (unsigned j = 0; j < 4; j++) {
                keys[j] = job_signing_key(esys, hierarchies[j], 1);
                handles[j] = job_handle(esys, keys[j]);
            }
            rm_world_idle(world, evicted);
            assert_int_equal(end_hierarchy(other, cases[i].code), TSS2_RC_SUCCESS);
            for (unsigned j = 0; j < 4; j++) {
                assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handles[j]),
                                 cases[i].dies[j] ? RM_RC_HANDLE(0) : TPM2_RC_SUCCESS);
                alive += !cases[i].dies[j];
            }
            assert_int_equal(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, 64, NULL,
                                                &list),
                             TSS2_RC_SUCCESS);
            assert_int_equal(list->data.handles.count, alive);
            Esys_Free(list);
            rm_world_disconnect(world, 0);
            esys = rm_world_connect(world, 0, 1000);
        }
    }
}

static TSS2_RC switch_owner(ESYS_CONTEXT *esys, TPMI_YES_NO on)
{
    return Esys_HierarchyControl(esys, on ? ESYS_TR_RH_PLATFORM : ESYS_TR_RH_OWNER,
                                 ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_RH_OWNER,
                                 on);
}

static void test_R19_hierarchy_off_and_on_again(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;

    for (unsigned evicted = 0; evicted < 2; evicted++) {
        ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
        ESYS_TR kept = job_signing_key(esys, ESYS_TR_RH_ENDORSEMENT, 1);
        uint32_t handle = job_handle(esys, key);
        TPMS_CONTEXT *context;

        assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
        rm_world_idle(world, evicted);
        assert_int_equal(switch_owner(esys, TPM2_NO), TSS2_RC_SUCCESS);
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handle), RM_RC_HANDLE(0));
        assert_int_equal(job_sign(esys, kept, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        assert_int_not_equal(Esys_ContextLoad(esys, context, &key), TSS2_RC_SUCCESS);
        assert_int_equal(switch_owner(esys, TPM2_YES), TSS2_RC_SUCCESS);
        assert_int_equal(Esys_ContextLoad(esys, context, &key), TSS2_RC_SUCCESS);
        assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        Esys_Free(context);
    }
}

/* The hierarchy is off although nobody was told: its objects are gone, as after an answer. */
static void test_R19_hierarchy_off_with_a_lost_answer(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1);
    ESYS_TR kept = job_signing_key(esys, ESYS_TR_RH_ENDORSEMENT, 1);
    ESYS_TR of_nobody = job_signing_key(esys, ESYS_TR_RH_NULL, 1);
    uint32_t handle = job_handle(esys, key);

    rm_world_idle(world, true);
    libtpms_chip_inject(world->chip, CHIP_FAULT_LOST, TPM2_CC_HierarchyControl, 0, 1);
    assert_int_equal(switch_owner(esys, TPM2_NO), RM_RC_FAILURE);
    assert_int_equal(switch_owner(esys, TPM2_YES), TSS2_RC_SUCCESS);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, handle), RM_RC_HANDLE(0));
    assert_int_equal(job_sign(esys, kept, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(esys, of_nobody, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
}

static void test_R20_persistent_objects_find_room(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR primary = job_primary(esys, ESYS_TR_RH_OWNER), persistent, keys[3];

    assert_int_equal(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, 0x81000001, &persistent),
                     TSS2_RC_SUCCESS);
    for (unsigned i = 0; i < 3; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, 0x81000001),
                         TPM2_RC_SUCCESS);
        assert_int_equal(job_sign(esys, keys[i % 3], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    }
    assert_int_equal(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, persistent, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, 0x81000001, &persistent),
                     TSS2_RC_SUCCESS);
}

static void test_R20_commands_that_work_in_a_slot_find_room(void **state)
{
    static const TPM2B_SENSITIVE_CREATE sensitive;
    static const TPM2B_DATA outside;
    static const TPML_PCR_SELECTION pcrs;
    static const TPM2B_PUBLIC sealed = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SIGN_ENCRYPT
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN,
                       .parameters.keyedHashDetail.scheme = {
                           .scheme = TPM2_ALG_HMAC, .details.hmac.hashAlg = TPM2_ALG_SHA256}}};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR primary = job_primary(esys, ESYS_TR_RH_OWNER);

    job_hash_sequence(esys, "");
    job_hash_sequence(esys, "");
    for (unsigned i = 0; i < 3; i++) {
        TPM2B_PRIVATE *private = NULL;
        TPM2B_PUBLIC *public = NULL;

        libtpms_chip_clear_counts(world->chip);
        assert_int_equal(Esys_Create(esys, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &sensitive, &sealed, &outside, &pcrs, &private, &public, NULL,
                                     NULL, NULL),
                         TSS2_RC_SUCCESS);
        Esys_Free(private);
        Esys_Free(public);
        job_hash_sequence(esys, "");
    }
    /* The refusal was learned from: the last one was sent once. */
    assert_int_equal(libtpms_chip_count(world->chip, TPM2_CC_Create), 1);
}

static void test_R21_failed_eviction_changes_nothing(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_ContextSave, TPM2_CC_ContextLoad,
                                     TPM2_CC_FlushContext};
    static const uint32_t refusals[] = {0x902, 0x903, 0x904, 0x906, 0x923, 0x1df};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[5];
    unsigned lost;

    for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        for (unsigned j = 0; j < 3; j++) {
            for (unsigned k = 0; k < 5; k++)
                keys[k] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)k);
            libtpms_chip_inject(world->chip, CHIP_FAULT_CODE, codes[j], refusals[i], 1);
            for (unsigned k = 0; k < 10; k++)
                job_sign(esys, keys[k % 5], ESYS_TR_PASSWORD);
            libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
            lost = 0;
            for (unsigned k = 0; k < 5; k++)
                lost += job_sign(esys, keys[k], ESYS_TR_PASSWORD) != TSS2_RC_SUCCESS;
            /* Only a context that the chip disowns takes its object along. */
            assert_int_equal(lost, codes[j] == TPM2_CC_ContextLoad && refusals[i] == 0x1df);
            rm_world_disconnect(world, 0);
            esys = rm_world_connect(world, 0, 1000);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R07_handles_survive_the_wrap),
        TEST(test_names_are_learned_from_the_answer),
        TEST(test_R07_handles_go_round_the_circle_many_times),
        TEST(test_R16_every_way_to_make_an_object_counts),
        TEST(test_R16_sixty_four_objects_by_default),
        TEST(test_R41_connections_of_one_user_share_a_total),
        TEST(test_R17_failed_completion_keeps_the_sequence),
        TEST(test_R17_sequences_survive_eviction),
        TEST(test_R18_context_of_a_closed_client_loads),
        TEST(test_R19_objects_of_a_changed_hierarchy_die),
        TEST(test_R19_hierarchy_off_and_on_again),
        TEST(test_R19_hierarchy_off_with_a_lost_answer),
        TEST(test_R20_persistent_objects_find_room),
        TEST(test_R20_commands_that_work_in_a_slot_find_room),
        TEST(test_R21_failed_eviction_changes_nothing),
    };

    return cmocka_run_group_tests_name("rm-objects", tests, NULL, NULL);
}
