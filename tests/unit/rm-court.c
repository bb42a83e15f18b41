/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm-court.h"

#include "base/log.h"
#include "wire/capability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct court_command court_commands[COURT_COMMANDS] = {
    {TPM2_CC_Clear, 1},
    {TPM2_CC_ClearControl, 1},
    {TPM2_CC_HierarchyControl, 1},
    {TPM2_CC_HierarchyChangeAuth, 1},
    {TPM2_CC_DictionaryAttackParameters, 1},
    {TPM2_CC_DictionaryAttackLockReset, 1},
    {TPM2_CC_NV_GlobalWriteLock, 1},
    {TPM2_CC_NV_UndefineSpaceSpecial, 2},
    {TPM2_CC_NV_Read, 2},
    {TPM2_CC_EvictControl, 2},
    {TPM2_CC_PolicyNV, 3},
    {TPM2_CC_ClockSet, 1},
    {TPM2_CC_FieldUpgradeData, 0},
    {TPM2_CC_Shutdown, 0},
    {TPM2_CC_PCR_Extend, 1},
    {TPM2_CC_PCR_Event, 1},
    {TPM2_CC_PCR_Read, 0},
    {TPM2_CC_GetRandom, 0},
    {TPM2_CC_StirRandom, 0},
    {VENDOR, 0},
    {OTHER_VENDOR, 1},
};

static size_t answer_query(const struct counted_chip *chip, const uint8_t *command,
                           uint8_t *response)
{
    uint32_t first = load_be32(command + HEADER_SIZE + 4);
    uint32_t values[2] = {chip->permanent, 0}, count = 1;

    if (first == TPM2_PT_MAX_AUTH_FAIL) {
        values[0] = chip->tries.limit;
        values[1] = chip->tries.recovery;
        count = 2;
    }
    response[HEADER_SIZE] = 0;
    store_be32(response + CAPABILITY_AT, TPM2_CAP_TPM_PROPERTIES);
    store_be32(response + CAPABILITY_COUNT_AT, count);
    for (uint32_t i = 0; i < count; i++) {
        store_be32(response + CAPABILITY_ITEMS_AT + 8 * i, first + i);
        store_be32(response + CAPABILITY_ITEMS_AT + 8 * i + 4, values[i]);
    }
    return response_build_success(response, CAPABILITY_ITEMS_AT + 8 * (size_t)count);
}

/* No parameters, and an empty answer to each password. */
static size_t answer_passwords(const uint8_t *command, size_t size, uint8_t *response)
{
    size_t answer = HEADER_SIZE + 4;

    store_be32(response + HEADER_SIZE, 0);
    for (size_t i = HEADER_SIZE; i + 4 <= size; i++) {
        if (load_be32(command + i) != TPM2_RS_PW)
            continue;
        memcpy(response + answer, "\0\0\1\0", 5);
        answer += 5;
    }
    header_store(response, TPM2_ST_SESSIONS, (uint32_t)answer, TPM2_RC_SUCCESS);
    return answer;
}

static int chip_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                         uint8_t *response, size_t capacity, size_t *response_size)
{
    struct counted_chip *chip = (struct counted_chip *)tpm;

    (void)locality;
    (void)capacity;
    if (header_load(command).code == TPM2_CC_GetCapability) {
        chip->queries++;
        *response_size = answer_query(chip, command, response);
        return 0;
    }
    chip->commands++;
    memcpy(chip->last, command, size);
    chip->last_size = size;
    *response_size = response_build_code(response, chip->answer);
    if (chip->answer == TPM2_RC_SUCCESS && header_load(command).tag == TPM2_ST_SESSIONS)
        *response_size = answer_passwords(command, size, response);
    return 0;
}

static bool chip_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    (void)attempt;
    return false;
}

int court_setup(void **state)
{
    static const struct rm_limits limits = {.objects_per_client = 4, .sessions_per_client = 4};
    static struct chip facts;
    struct court *court = calloc(1, sizeof(*court));

    assert_non_null(court);
    log_threshold = LOG_LEVEL_SILENT;
    court->chip.tpm = (struct rm_tpm){.transact = chip_transact, .backoff = chip_backoff};
    facts = (struct chip){.max_command = CHIP_MIN_BUFFER,
                          .max_response = CHIP_MIN_BUFFER,
                          .object_slots = 3,
                          .session_slots = 3,
                          .active_sessions = 64,
                          .context_gap = 1000,
                          .tries = {.limit = 9, .recovery = 600}};
    assert_true(command_table_add(&facts.commands, TPM2_CC_GetCapability));
    for (size_t i = 0; i < COUNT(court_commands); i++)
        assert_true(command_table_add(&facts.commands,
                                      court_commands[i].code
                                          | court_commands[i].handles << TPMA_CC_CHANDLES_SHIFT));
    court->rm = rm_new(&court->chip.tpm, &facts, &limits);
    assert_non_null(court->rm);
    for (unsigned i = 0; i < COURT_CLIENTS; i++) {
        court->clients[i] =
            rm_client_new(court->rm, rm_user_get(court->rm, i ? 1001 : 1000), i ? 1001 : 1000);
        assert_non_null(court->clients[i]);
    }
    court->chip.tries = facts.tries;
    *state = court;
    return 0;
}

int court_teardown(void **state)
{
    struct court *court = *state;

    for (unsigned i = 0; i < COURT_CLIENTS; i++)
        rm_client_free(court->clients[i]);
    rm_free(court->rm);
    free(court);
    return 0;
}

void court_set_policy(struct court *court, unsigned client, enum policy_preset preset)
{
    const struct policy policy = policy_preset(preset);

    assert_true(rm_client_set_policy(court->clients[client], &policy));
}

static size_t add_session(uint8_t *at, uint32_t handle, uint8_t attributes)
{
    store_be32(at, handle);
    store_be16(at + 4, 0);
    at[6] = attributes;
    store_be16(at + 7, 0);
    return 9;
}

/* A command with these handles; three passwords stand where an audit session would. */
size_t court_build(uint8_t *out, uint32_t code, const uint32_t *handles, unsigned count,
                   enum variant variant)
{
    size_t size = HEADER_SIZE, area;
    unsigned sessions = variant == PASSWORD ? 1 : variant == PASSWORD_AND_MORE ? 3 : 0;

    for (unsigned i = 0; i < count; i++, size += 4)
        store_be32(out + size, handles[i]);
    area = size;
    size += sessions ? 4 : 0;
    for (unsigned i = 0; i < sessions; i++)
        size += add_session(out + size, TPM2_RS_PW, i ? TPMA_SESSION_AUDIT : 1);
    if (sessions)
        store_be32(out + area, (uint32_t)(size - area - 4));
    if (variant == PARAMETERS) {
        memset(out + size, 0x5A, 40);
        size += 40;
    }
    header_store(out,
                 variant == BAD_TAG ? 0x1234
                 : sessions         ? TPM2_ST_SESSIONS
                                    : TPM2_ST_NO_SESSIONS,
                 (uint32_t)size, code);
    return size;
}

uint32_t court_send(struct court *court, unsigned client, const uint8_t *command, size_t size)
{
    uint8_t *copy = malloc(rm_command_capacity(court->rm));
    uint32_t code;

    assert_non_null(copy);
    memcpy(copy, command, size);
    court->chip.commands = court->chip.queries = 0;
    rm_execute(court->rm, court->clients[client], copy, size, court->response);
    free(copy);
    code = header_load(court->response).code;
    return code;
}

uint32_t court_send_variant(struct court *court, unsigned client, uint32_t code, uint32_t first,
                            enum variant variant)
{
    uint32_t handles[3] = {first, 0x01000001, 0x01000001};
    unsigned count = 0;

    for (size_t i = 0; i < COUNT(court_commands); i++) {
        if (court_commands[i].code == code)
            count = court_commands[i].handles;
    }
    court->size = court_build(court->sent, code, handles, count, variant);
    return court_send(court, client, court->sent, court->size);
}
