/* SPDX-License-Identifier: BSD-2-Clause */
/* ContextSave, ContextLoad and FlushContext, which are mostly answered without the chip. */
#include "esys-jobs.h"
#include "raw-command.h"
#include "rm-world.h"
#include "rm/rc.h"
#include "wire/capability.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define UID      1000
#define STRANGER 2000

/* The saved sessions that a client is shown, and what PT_HR_ACTIVE says. */
static unsigned saved_sessions(ESYS_CONTEXT *esys, uint32_t *first)
{
    TPMS_CAPABILITY_DATA *data;
    unsigned count;

    assert_int_equal(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, 64, NULL, &data),
                     TSS2_RC_SUCCESS);
    count = data->data.handles.count;
    if (count > 0 && first)
        *first = data->data.handles.handle[0];
    Esys_Free(data);
    assert_int_equal(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        TPM2_CAP_TPM_PROPERTIES, TPM2_PT_HR_ACTIVE, 1, NULL, &data),
                     TSS2_RC_SUCCESS);
    assert_int_equal(data->data.tpmProperties.tpmProperty[0].value, count);
    Esys_Free(data);
    return count;
}

static void test_R68_user_sees_and_flushes_what_its_connections_left(void **state)
{
    struct rm_world *world = *state;
    uint32_t handle = 0, listed = 0;
    uint8_t context[4096];
    size_t size;

    handle = job_handle(world->clients[0].esys, job_session(world->clients[0].esys, true));
    size = raw_save(world, 0, handle, context);
    rm_world_disconnect(world, 0);
    rm_world_connect(world, 1, UID);
    rm_world_connect(world, 2, STRANGER);
    rm_world_idle(world, true);

    assert_int_equal(saved_sessions(world->clients[2].esys, NULL), 0);
    assert_int_equal(raw_send_handle(world, 2, TPM2_CC_FlushContext, handle),
                     RM_RC_PARAMETER_HANDLE);
    assert_int_equal(saved_sessions(world->clients[1].esys, &listed), 1);
    assert_int_equal(listed & HANDLE_INDEX_MASK, handle & HANDLE_INDEX_MASK);
    /* It is seen, and still nobody can use it without its context. */
    assert_int_equal(raw_send_handle(world, 1, TPM2_CC_PolicyGetDigest, handle), RM_RC_HANDLE(0));
    assert_int_equal(raw_send_handle(world, 1, TPM2_CC_FlushContext, listed), TPM2_RC_SUCCESS);
    assert_int_equal(saved_sessions(world->clients[1].esys, NULL), 0);
    assert_int_equal(raw_send_sized(world, 1, context, size), RM_RC_PARAMETER_HANDLE);
    rm_world_idle(world, true);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 0);
}

/* A session that the user's other connection has saved, and that is still open, is that one's. */
static void test_R68_open_connections_keep_theirs(void **state)
{
    struct rm_world *world = *state;
    uint32_t handle = job_handle(world->clients[0].esys, job_session(world->clients[0].esys, true));
    uint8_t context[4096];
    size_t size = raw_save(world, 0, handle, context);

    rm_world_connect(world, 1, UID);
    assert_int_equal(saved_sessions(world->clients[1].esys, NULL), 0);
    assert_int_equal(raw_send_handle(world, 1, TPM2_CC_FlushContext, handle),
                     RM_RC_PARAMETER_HANDLE);
    assert_int_equal(raw_send_sized(world, 0, context, size), TPM2_RC_SUCCESS);
}

static void audit(ESYS_CONTEXT *esys)
{
    static const TPML_CC none, audited = {
                                   .count = 2,
                                   .commandCodes = {TPM2_CC_ContextSave, TPM2_CC_FlushContext},
                               };

    assert_int_equal(Esys_SetCommandCodeAuditStatus(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, TPM2_ALG_NULL,
                                                    &audited, &none),
                     TSS2_RC_SUCCESS);
}

/* Sends the command; how often the chip got one with its code. */
static unsigned seen_by_chip(struct rm_world *world, uint32_t code, uint32_t handle)
{
    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(raw_send_handle(world, 0, code, handle), TPM2_RC_SUCCESS);
    return libtpms_chip_count(world->chip, code);
}

static void test_R69_audited_context_commands_reach_the_chip(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    uint32_t key = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 1)),
             session = job_handle(esys, job_session(esys, true)), flushed;

    audit(esys);
    assert_int_equal(seen_by_chip(world, TPM2_CC_ContextSave, key), 1);
    assert_int_equal(seen_by_chip(world, TPM2_CC_ContextSave, key), 1);
    /* Out of the chip, too. */
    rm_world_idle(world, true);
    assert_int_equal(seen_by_chip(world, TPM2_CC_ContextSave, key), 1);
    assert_int_equal(seen_by_chip(world, TPM2_CC_ContextSave, session), 1);
    assert_int_equal(seen_by_chip(world, TPM2_CC_FlushContext, key), 1);
    assert_int_equal(seen_by_chip(world, TPM2_CC_FlushContext, session), 1);
    assert_int_equal(rm_world_in_chip(world, HANDLE_SAVED_SESSIONS), 0);

    flushed = job_handle(esys, job_signing_key(esys, ESYS_TR_RH_OWNER, 2));
    rm_world_idle(world, true);
    assert_int_equal(seen_by_chip(world, TPM2_CC_FlushContext, flushed), 1);
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_ReadPublic, flushed), RM_RC_HANDLE(0));
}

/* An audited flush by one of two clients that share an object leaves it to the other. */
static void test_R69_audited_flush_costs_nobody_else_the_object(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys, *other = rm_world_connect(world, 1, UID);
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), shared;
    TPMS_CONTEXT *context;

    assert_int_equal(Esys_ContextSave(esys, key, &context), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(other, context, &shared), TSS2_RC_SUCCESS);
    audit(esys);
    assert_int_equal(Esys_FlushContext(esys, key), TSS2_RC_SUCCESS);
    assert_int_equal(job_sign(other, shared, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    Esys_Free(context);
}

/* What a TPM itself says of a handle that cannot be flushed. */
static uint32_t bare_flush(uint32_t handle)
{
    uint8_t command[COMMAND_OWN_SIZE], response[4096];

    assert_true(libtpms_chip_process(command, command_build_flush_context(command, handle),
                                     response, sizeof(response))
                >= HEADER_SIZE);
    return header_load(response).code;
}

static void test_R70_flush_of_what_cannot_be_is_answered_as_by_the_tpm(void **state)
{
    static const uint32_t handles[] = {0x81000001,      0,          0x01800001, TPM2_RH_OWNER,
                                       TPM2_RH_LOCKOUT, TPM2_RS_PW, 0x90000000, UINT32_MAX};
    struct rm_world *world = *state;

    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        assert_int_equal(raw_send_handle(world, 0, TPM2_CC_FlushContext, handles[i]),
                         bare_flush(handles[i]));
    assert_int_equal(raw_send_handle(world, 0, TPM2_CC_FlushContext, 0x81000001), 0x1C4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R68_user_sees_and_flushes_what_its_connections_left),
        TEST(test_R68_open_connections_keep_theirs),
        TEST(test_R69_audited_context_commands_reach_the_chip),
        TEST(test_R69_audited_flush_costs_nobody_else_the_object),
        TEST(test_R70_flush_of_what_cannot_be_is_answered_as_by_the_tpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
