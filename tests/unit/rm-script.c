/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm-script.h"

#include "base/log.h"
#include "mirror.h"
#include "rm-invariants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill_facts(struct chip *facts)
{
    static const uint32_t commands[] = {
        TPM2_CC_ContextSave | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_ContextLoad | TPMA_CC_RHANDLE,
        TPM2_CC_FlushContext,
        TPM2_CC_StartAuthSession | 2 << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_RHANDLE,
        TPM2_CC_GetCapability,
        TPM2_CC_GetRandom,
        TPM2_CC_ReadPublic | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_Startup,
        TPM2_CC_Clear | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_ChangePPS | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_ChangeEPS | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_HierarchyControl | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_GetTestResult,
        TPM2_CC_SetCommandCodeAuditStatus | 1 << TPMA_CC_CHANDLES_SHIFT,
        TPM2_CC_HashSequenceStart | TPMA_CC_RHANDLE,
        TPM2_CC_HMAC_Start | TPMA_CC_RHANDLE,
        TPM2_CC_SetAlgorithmSet,
        TPM2_CC_FieldUpgradeStart,
        TPM2_CC_FieldUpgradeData,
        TPMA_CC_V | TPMA_CC_RHANDLE | 1,
        TPMA_CC_V | 1 << TPMA_CC_CHANDLES_SHIFT | 2,
        TPMA_CC_V | 2 << TPMA_CC_CHANDLES_SHIFT | 3,
        TPMA_CC_V | 1 << TPMA_CC_CHANDLES_SHIFT | 4,
        TPMA_CC_V | 2 << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_RHANDLE | 5,
        TPMA_CC_V | 3 << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_RHANDLE | 9,
        TPMA_CC_V | 6,
        TPMA_CC_V | (uint32_t)7 << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_FLUSHED | 8,
        TPMA_CC_V | 1 << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_FLUSHED | 7,
    };

    *facts = (struct chip){
        .max_command = CHIP_MIN_BUFFER,
        .max_response = CHIP_MIN_BUFFER,
        .object_slots = RM_SCRIPT_SLOTS,
        .session_slots = RM_SCRIPT_SLOTS,
        .active_sessions = 64,
        .context_gap = 1000,
        .reset_count = 7,
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        assert_true(command_table_add(&facts->commands, commands[i]));
}

struct rm_client *rm_script_connect(struct rm_script *script, uint32_t uid)
{
    struct rm_client *client = rm_client_new(script->rm, rm_user_get(script->rm, uid), uid);

    if (client)
        rm_client_set_cookie(client, client->number);
    return client;
}

int rm_script_setup(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 16, .sessions_per_client = 16, .abandoned_per_uid = 4};
    struct rm_script *script = calloc(1, sizeof(*script));

    if (!script)
        return -1;
    log_threshold = LOG_LEVEL_SILENT;
    chip_script_init(&script->chip);
    fill_facts(&script->facts);
    script->rm = rm_new(&script->chip.tpm, &script->facts, &limits);
    if (script->rm)
        mirror_begin(script->rm);
    for (unsigned i = 0; script->rm && i < RM_SCRIPT_CLIENTS; i++)
        script->clients[i] = rm_script_connect(script, 1000 + i);
    *state = script;
    return script->clients[RM_SCRIPT_CLIENTS - 1] ? 0 : -1;
}

int rm_script_teardown(void **state)
{
    struct rm_script *script = *state;

    for (unsigned i = 0; i < RM_SCRIPT_CLIENTS; i++)
        rm_client_free(script->clients[i]);
    mirror_end(script->rm);
    free(script);
    return 0;
}

void rm_script_end(struct rm_script *script)
{
    chip_script_end(&script->chip);
}

uint32_t rm_script_send(struct rm_script *script, unsigned client, const uint8_t *command,
                        size_t size)
{
    uint8_t *copy = malloc(rm_command_capacity(script->rm));
    uint64_t clock = script->rm->clock;
    const char *wrong;

    assert_non_null(copy);
    memcpy(copy, command, size);
    script->size = rm_execute(script->rm, script->clients[client], copy, size, script->response);
    free(copy);
    assert_int_equal(header_load(script->response).size, script->size);
    assert_true(script->rm->clock == clock + 1);
    assert_true(rm_stats(script->rm)->client_commands == script->rm->clock);
    assert_null(script->rm->requester);
    wrong = rm_invariants_books(script->rm);
    if (wrong)
        fail_msg("%s", wrong);
    return header_load(script->response).code;
}

/* A command of the vendor's, or one like it. */
static size_t build_named(uint8_t *out, uint32_t code, unsigned count, uint32_t first,
                          uint32_t second)
{
    size_t size = HEADER_SIZE + 4 * (size_t)count;

    header_store(out, TPM2_ST_NO_SESSIONS, (uint32_t)size, code);
    store_be32(out + HEADER_SIZE, first);
    store_be32(out + HEADER_SIZE + 4, second);
    return size;
}

uint32_t rm_script_name(struct rm_script *script, unsigned client, uint32_t code, unsigned count,
                        uint32_t first, uint32_t second)
{
    uint8_t command[HEADER_SIZE + 8];

    return rm_script_send(script, client, command,
                          build_named(command, code, count, first, second));
}

uint32_t rm_script_flush(struct rm_script *script, unsigned client, uint32_t handle)
{
    return rm_script_name(script, client, TPM2_CC_FlushContext, 1, handle, 0);
}

void script_context_store(uint8_t bytes[SCRIPT_CONTEXT], const struct script_context *context)
{
    store_be32(bytes, (uint32_t)(context->sequence >> 32));
    store_be32(bytes + 4, (uint32_t)context->sequence);
    store_be32(bytes + 8, context->saved_handle);
    store_be32(bytes + 12, context->hierarchy);
    store_be16(bytes + 16, SCRIPT_CONTEXT - 18);
    memcpy(bytes + 18, "blob", 4);
}

struct exchange *expect_named(struct rm_script *script, uint32_t code, unsigned count,
                              uint32_t first, uint32_t second, uint32_t answer)
{
    struct exchange *exchange = chip_script_next(&script->chip);

    exchange->command_size = build_named(exchange->command, code, count, first, second);
    exchange_answer_code(exchange, answer);
    return exchange;
}

struct exchange *expect_save(struct rm_script *script, uint32_t handle,
                             const struct script_context *context)
{
    struct exchange *exchange = chip_script_next(&script->chip);

    exchange->command_size = command_build_context_save(exchange->command, handle);
    script_context_store(exchange->response + HEADER_SIZE, context);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + SCRIPT_CONTEXT);
    return exchange;
}

struct exchange *expect_load(struct rm_script *script, const struct script_context *context,
                             uint32_t handle)
{
    struct exchange *exchange = chip_script_next(&script->chip);
    uint8_t bytes[SCRIPT_CONTEXT];

    script_context_store(bytes, context);
    exchange->command_size = command_build_context_load(exchange->command, bytes, SCRIPT_CONTEXT);
    store_be32(exchange->response + HEADER_SIZE, handle);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    return exchange;
}

void expect_lists(struct rm_script *script, struct script_list objects, struct script_list loaded,
                  struct script_list saved)
{
    struct chip_script *chip = &script->chip;

    expect_query(chip, TPM2_CAP_HANDLES, 0x80000000, false, objects.handles, objects.count);
    expect_query(chip, TPM2_CAP_HANDLES, 0x02000000, false, loaded.handles, loaded.count);
    expect_query(chip, TPM2_CAP_HANDLES, 0x03000000, false, saved.handles, saved.count);
}

void expect_state(struct rm_script *script, uint32_t resets, uint32_t enabled)
{
    struct exchange *exchange;

    expect_clock(&script->chip, resets);
    exchange = expect_query(&script->chip, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_STARTUP_CLEAR, false,
                            WORDS(TPM2_PT_STARTUP_CLEAR, enabled));
    exchange->command_size = command_build_get_capability(
        exchange->command, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_STARTUP_CLEAR, 1);
}

void rm_script_limit(struct rm_script *script)
{
    list_for_each (link, &script->rm->clients)
        rm_client_set_limits(list_entry(link, struct rm_client, link), &script->rm->limits);
}

uint32_t rm_script_make(struct rm_script *script, unsigned client, uint32_t handle)
{
    struct exchange *exchange = expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);

    store_be32(exchange->response + HEADER_SIZE, handle);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_name(script, client, CC_MAKE, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->size, HEADER_SIZE + 4);
    return load_be32(script->response + HEADER_SIZE);
}

void rm_script_start(struct rm_script *script, unsigned client, uint32_t handle)
{
    struct exchange *exchange = expect_named(script, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL,
                                             TPM2_RH_NULL, TPM2_RC_SUCCESS);

    store_be32(exchange->response + HEADER_SIZE, handle);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    assert_int_equal(
        rm_script_name(script, client, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL),
        TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(script->response + HEADER_SIZE), handle);
}

void rm_script_save(struct rm_script *script, unsigned client, uint32_t handle,
                    const struct script_context *context)
{
    expect_save(script, handle, context);
    assert_int_equal(rm_script_name(script, client, TPM2_CC_ContextSave, 1, handle, 0),
                     TPM2_RC_SUCCESS);
    assert_int_equal(script->size, HEADER_SIZE + SCRIPT_CONTEXT);
}

struct object *rm_script_object(struct rm_script *script, unsigned client, uint32_t handle)
{
    return handles_find(&script->clients[client]->handles, handle);
}

struct session *rm_script_session(struct rm_script *script, uint32_t handle)
{
    return session_find(script->rm, handle);
}
