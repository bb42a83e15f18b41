/* SPDX-License-Identifier: BSD-2-Clause */
#include "chip-script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct chip_script *script = (struct chip_script *)tpm;
    struct exchange *now = &script->exchanges[script->done];

    assert_true(script->done++ < script->count);
    now->watched = script->look    ? script->look(script->look_data)
                   : script->watch ? *script->watch
                                   : 0;
    assert_int_equal(locality, 0);
    assert_int_equal(size, now->command_size);
    assert_memory_equal(command, now->command, size);
    assert_true(now->size <= capacity);
    memcpy(response, now->response, now->size);
    for (size_t at = now->size; at + 4 <= capacity; at += 4)
        store_be32(response + at, now->beyond);
    *response_size = now->size;
    return now->error;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    struct chip_script *script = (struct chip_script *)tpm;

    script->backoffs++;
    assert_int_equal(attempt, script->backoffs);
    return attempt <= script->most_backoffs;
}

void chip_script_init(struct chip_script *script)
{
    *script = (struct chip_script){.tpm = {transact, backoff}};
}

int chip_script_setup(void **state)
{
    struct chip_script *script = malloc(sizeof(*script));

    if (script)
        chip_script_init(script);
    *state = script;
    return script ? 0 : -1;
}

int chip_script_teardown(void **state)
{
    free(*state);
    return 0;
}

void chip_script_end(struct chip_script *script)
{
    assert_int_equal(script->done, script->count);
    script->count = script->done = script->backoffs = 0;
}

struct exchange *chip_script_next(struct chip_script *script)
{
    struct exchange *exchange = &script->exchanges[script->count];

    assert_true(script->count++ < CHIP_SCRIPT_MOST);
    memset(exchange, 0, sizeof(*exchange));
    exchange->beyond = 0xEEEEEEEE;
    return exchange;
}

void exchange_answer_code(struct exchange *exchange, uint32_t code)
{
    header_store(exchange->response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    exchange->size = HEADER_SIZE;
}

struct exchange *expect_startup(struct chip_script *script, uint32_t code)
{
    struct exchange *exchange = chip_script_next(script);

    exchange->command_size = command_build_startup(exchange->command, TPM2_SU_CLEAR);
    exchange_answer_code(exchange, code);
    return exchange;
}

struct exchange *expect_flush(struct chip_script *script, uint32_t handle, uint32_t code)
{
    struct exchange *exchange = chip_script_next(script);

    exchange->command_size = command_build_flush_context(exchange->command, handle);
    exchange_answer_code(exchange, code);
    return exchange;
}

struct exchange *expect_clock(struct chip_script *script, uint32_t resets)
{
    struct exchange *exchange = chip_script_next(script);
    uint8_t *parameters = exchange->response + HEADER_SIZE;

    exchange->command_size = command_build_read_clock(exchange->command);
    exchange->size = HEADER_SIZE + 25;
    header_store(exchange->response, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 25, TPM2_RC_SUCCESS);
    memset(parameters, 0xEE, 25);
    store_be32(parameters + 16, resets);
    return exchange;
}

/* What the manager asks for at a time. */
static uint32_t page_of(uint32_t capability)
{
    switch (capability) {
    case TPM2_CAP_TPM_PROPERTIES:
        return TPM2_PT_GROUP;
    case TPM2_CAP_HANDLES:
        return TPM2_MAX_CAP_HANDLES;
    default:
        return TPM2_MAX_CAP_CC;
    }
}

struct exchange *expect_query(struct chip_script *script, uint32_t capability, uint32_t from,
                              bool more, const uint32_t *words, size_t count)
{
    struct exchange *exchange = chip_script_next(script);
    size_t item_words = capability == TPM2_CAP_TPM_PROPERTIES ? 2 : 1;
    uint8_t *response = exchange->response;

    exchange->command_size =
        command_build_get_capability(exchange->command, capability, from, page_of(capability));
    exchange->size = CAPABILITY_ITEMS_AT + 4 * count;
    header_store(response, TPM2_ST_NO_SESSIONS, (uint32_t)exchange->size, TPM2_RC_SUCCESS);
    response[HEADER_SIZE] = more;
    store_be32(response + CAPABILITY_AT, capability);
    store_be32(response + CAPABILITY_COUNT_AT, (uint32_t)(count / item_words));
    for (size_t i = 0; i < count; i++)
        store_be32(response + CAPABILITY_ITEMS_AT + 4 * i, words[i]);
    return exchange;
}
