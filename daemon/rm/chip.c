/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/chip.h"

#include "rm/transaction.h"
#include "wire/capability.h"
#include "wire/command.h"
#include "wire/handle.h"
#include "wire/response.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Slots of a chip that does not tell them: what the PC Client profile asks for at the least. */
#define DEFAULT_SLOTS           3
#define DEFAULT_ACTIVE_SESSIONS 64
#define DEFAULT_CONTEXT_GAP     255 /* also the least that there may be (Part 2, clause 6.13) */

/* A chip that always says "more" must not keep us for ever. */
#define MAX_PAGES 64

#define TAG_RSP_TPM12 0x00C4

/* Sends a command of ours and takes what the TPM makes of it apart. */
static enum chip_error ask(struct rm_tpm *tpm, const uint8_t *command, size_t size,
                           uint8_t *response, size_t *response_size, int64_t *detail)
{
    struct transaction transaction = {
        .command = command, .size = size, .response = response, .capacity = CHIP_MIN_BUFFER};
    uint32_t code = transaction_run(&transaction, tpm);

    *response_size = transaction.response_size;
    if (transaction.error != 0) {
        *detail = transaction.error;
        return CHIP_ERROR_TRANSPORT;
    }
    if (!transaction.answered)
        return CHIP_ERROR_MALFORMED;
    *detail = code;
    if (header_load(response).tag == TAG_RSP_TPM12)
        return CHIP_ERROR_TPM12;
    return code == TPM2_RC_SUCCESS ? CHIP_OK : CHIP_ERROR_CODE;
}

/* One page of a capability whose items have `item_size` bytes; `response` backs the list. */
static enum chip_error page(struct rm_tpm *tpm, uint32_t capability, uint32_t property,
                            uint32_t count, size_t item_size, uint8_t *response,
                            struct capability_list *list, int64_t *detail)
{
    uint8_t command[COMMAND_OWN_SIZE];
    size_t size = command_build_get_capability(command, capability, property, count);
    enum chip_error error = ask(tpm, command, size, response, &size, detail);

    if (error != CHIP_OK)
        return error;
    return capability_list_parse(list, response, size, capability, item_size)
               ? CHIP_OK
               : CHIP_ERROR_MALFORMED;
}

enum chip_error chip_startup(struct rm_tpm *tpm, bool *restarted, int64_t *detail)
{
    uint8_t command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    size_t size = command_build_startup(command, TPM2_SU_CLEAR);
    enum chip_error error = ask(tpm, command, size, response, &size, detail);

    if (restarted)
        *restarted = error == CHIP_OK;
    if (error == CHIP_ERROR_CODE && *detail == TPM2_RC_INITIALIZE)
        return CHIP_OK;
    return error;
}

static void learn_identity(struct chip_identity *identity, uint32_t property, uint32_t value)
{
    switch (property) {
    case TPM2_PT_MANUFACTURER:
        identity->manufacturer = value;
        return;
    case TPM2_PT_VENDOR_STRING_1:
    case TPM2_PT_VENDOR_STRING_2:
    case TPM2_PT_VENDOR_STRING_3:
    case TPM2_PT_VENDOR_STRING_4:
        identity->vendor[property - TPM2_PT_VENDOR_STRING_1] = value;
        return;
    case TPM2_PT_FIRMWARE_VERSION_1:
    case TPM2_PT_FIRMWARE_VERSION_2:
        identity->firmware[property - TPM2_PT_FIRMWARE_VERSION_1] = value;
        return;
    case TPM2_PT_REVISION:
        identity->revision = value;
        return;
    default:
        return;
    }
}

static void learn_property(struct chip *chip, uint32_t property, uint32_t value)
{
    switch (property) {
    case TPM2_PT_HR_TRANSIENT_MIN:
        chip->object_slots = value;
        return;
    case TPM2_PT_HR_LOADED_MIN:
        chip->session_slots = value;
        return;
    case TPM2_PT_ACTIVE_SESSIONS_MAX:
        chip->active_sessions = value;
        return;
    case TPM2_PT_CONTEXT_GAP_MAX:
        chip->context_gap = value;
        return;
    case TPM2_PT_PERMANENT:
        chip->permanent = value;
        return;
    case TPM2_PT_MAX_AUTH_FAIL:
        chip->tries.limit = value;
        return;
    case TPM2_PT_LOCKOUT_INTERVAL:
        chip->tries.recovery = value;
        return;
    case TPM2_PT_MAX_COMMAND_SIZE:
        chip->max_command = value;
        return;
    case TPM2_PT_MAX_RESPONSE_SIZE:
        chip->max_response = value;
        return;
    /* The chip is empty, so the count of objects that fit now is the count of its slots. Some chips
     * always estimate 1, which means "not full": the estimate never lowers the minimum. */
    case TPM2_PT_HR_TRANSIENT_AVAIL:
        if (value > chip->object_slots)
            chip->object_slots = value;
        return;
    case TPM2_PT_HR_LOADED_AVAIL:
        if (value > chip->session_slots)
            chip->session_slots = value;
        return;
    default:
        learn_identity(&chip->identity, property, value);
    }
}

/* Reads the properties of the group that starts at `property`. */
static enum chip_error read_properties(struct chip *chip, struct rm_tpm *tpm, uint32_t property,
                                       int64_t *detail)
{
    uint8_t response[CHIP_MIN_BUFFER];
    uint32_t end = property + TPM2_PT_GROUP;
    struct capability_list list;

    for (unsigned pages = 0; pages < MAX_PAGES; pages++) {
        enum chip_error error =
            page(tpm, TPM2_CAP_TPM_PROPERTIES, property, TPM2_PT_GROUP, 8, response, &list, detail);

        if (error != CHIP_OK)
            return error;
        for (uint32_t i = 0; i < list.count; i++) {
            property = load_be32(list.items + 8 * (size_t)i);
            if (property >= end)
                return CHIP_OK;
            learn_property(chip, property, load_be32(list.items + 8 * (size_t)i + 4));
        }
        if (!list.more || list.count == 0)
            return CHIP_OK;
        property++;
    }
    return CHIP_OK;
}

static enum chip_error read_commands(struct chip *chip, struct rm_tpm *tpm, int64_t *detail)
{
    uint8_t response[CHIP_MIN_BUFFER];
    uint32_t code = 0;
    struct capability_list list;

    for (unsigned pages = 0; pages < MAX_PAGES; pages++) {
        enum chip_error error =
            page(tpm, TPM2_CAP_COMMANDS, code, TPM2_MAX_CAP_CC, 4, response, &list, detail);

        if (error != CHIP_OK)
            return error;
        for (uint32_t i = 0; i < list.count; i++) {
            uint32_t attributes = load_be32(list.items + 4 * (size_t)i);

            if (!command_table_add(&chip->commands, attributes))
                return CHIP_ERROR_MALFORMED;
            code = command_attributes_code(attributes);
        }
        if (!list.more || list.count == 0)
            break;
        code++;
    }
    return chip->commands.count > 0 ? CHIP_OK : CHIP_ERROR_MALFORMED;
}

static enum chip_error read_audit(struct chip *chip, struct rm_tpm *tpm, int64_t *detail)
{
    uint8_t response[CHIP_MIN_BUFFER];
    struct capability_list list;
    enum chip_error error =
        page(tpm, TPM2_CAP_AUDIT_COMMANDS, 0, TPM2_MAX_CAP_CC, 4, response, &list, detail);

    /* A chip that does not tell audits nothing. */
    if (error != CHIP_OK)
        return error == CHIP_ERROR_CODE ? CHIP_OK : error;
    for (uint32_t i = 0; i < list.count; i++) {
        int index = command_table_find(&chip->commands, load_be32(list.items + 4 * (size_t)i));

        if (index >= 0)
            chip->audited[index] = true;
    }
    return CHIP_OK;
}

bool chip_learn_clock(struct chip *chip, const uint8_t *response, size_t size)
{
    /* TPMS_TIME_INFO: time, clockInfo { clock, resetCount, restartCount, safe } */
    if (size != HEADER_SIZE + 8 + 8 + 4 + 4 + 1)
        return false;
    chip->reset_count = load_be32(response + HEADER_SIZE + 16);
    return true;
}

static enum chip_error read_clock(struct chip *chip, struct rm_tpm *tpm, int64_t *detail)
{
    uint8_t command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    size_t size = command_build_read_clock(command);
    enum chip_error error = ask(tpm, command, size, response, &size, detail);

    /* A chip without TPM2_ReadClock judges each context itself after a reset. */
    if (error != CHIP_OK)
        return error == CHIP_ERROR_CODE ? CHIP_OK : error;
    return chip_learn_clock(chip, response, size) ? CHIP_OK : CHIP_ERROR_MALFORMED;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

enum chip_error chip_read(struct chip *chip, struct rm_tpm *tpm, int64_t *detail)
{
    enum chip_error error;

    *chip = (struct chip){
        .max_command = CHIP_MIN_BUFFER,
        .max_response = CHIP_MIN_BUFFER,
        .object_slots = DEFAULT_SLOTS,
        .session_slots = DEFAULT_SLOTS,
        .active_sessions = DEFAULT_ACTIVE_SESSIONS,
        .context_gap = DEFAULT_CONTEXT_GAP,
    };
    error = read_properties(chip, tpm, TPM2_PT_FIXED, detail);
    if (error == CHIP_OK)
        error = read_properties(chip, tpm, TPM2_PT_VAR, detail);
    if (error == CHIP_OK)
        error = read_commands(chip, tpm, detail);
    if (error == CHIP_OK)
        error = read_audit(chip, tpm, detail);
    if (error == CHIP_OK)
        error = read_clock(chip, tpm, detail);
    chip->max_command = clamp(chip->max_command, HEADER_SIZE, CHIP_MAX_BUFFER);
    chip->max_response = clamp(chip->max_response, HEADER_SIZE, CHIP_MAX_BUFFER);
    chip->context_gap = clamp(chip->context_gap, DEFAULT_CONTEXT_GAP, UINT32_MAX);
    chip->object_slots = clamp(chip->object_slots, 1, UINT16_MAX);
    chip->session_slots = clamp(chip->session_slots, 1, UINT16_MAX);
    return error;
}

/* Whether a session is in the ledger; the chip lists loaded and saved ones under handles of their
 * own kinds, which have the number in common. */
static bool is_recorded(const struct ledger *ledger, uint32_t handle)
{
    for (unsigned i = 0; ledger && i < LEDGER_SESSIONS; i++)
        if (ledger->sessions[i] && ((ledger->sessions[i] ^ handle) & TPM2_HR_HANDLE_MASK) == 0)
            return true;
    return false;
}

/* Flushes what the chip lists from `first` on, but what is in `ours`, which may be NULL. */
static enum chip_error flush_from(struct rm_tpm *tpm, uint32_t first, const struct ledger *ours,
                                  unsigned *flushed, int64_t *detail)
{
    uint8_t list_bytes[CHIP_MIN_BUFFER], command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    struct capability_list list;
    size_t size;

    for (unsigned pages = 0; pages < MAX_PAGES; pages++) {
        enum chip_error error =
            page(tpm, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, 4, list_bytes, &list, detail);

        if (error != CHIP_OK)
            return error;
        for (uint32_t i = 0; i < list.count; i++) {
            uint32_t handle = load_be32(list.items + 4 * (size_t)i);

            if (is_recorded(ours, handle))
                continue;
            size = command_build_flush_context(command, handle);
            error = ask(tpm, command, size, response, &size, detail);
            if (error != CHIP_OK)
                return error;
            ++*flushed;
        }
        if (!list.more || list.count == 0)
            return CHIP_OK;
    }
    return CHIP_OK;
}

static enum chip_error flush_all_from(struct rm_tpm *tpm, uint32_t first, unsigned *flushed,
                                      int64_t *detail)
{
    return flush_from(tpm, first, NULL, flushed, detail);
}

enum chip_error chip_flush_sessions_of_others(struct rm_tpm *tpm, const struct ledger *ours,
                                              unsigned *flushed, int64_t *detail)
{
    enum chip_error error;

    *flushed = 0;
    error = flush_from(tpm, HANDLE_LOADED_SESSIONS, ours, flushed, detail);
    if (error == CHIP_OK)
        error = flush_from(tpm, HANDLE_SAVED_SESSIONS, ours, flushed, detail);
    return error;
}

enum chip_error chip_flush_leftovers(struct rm_tpm *tpm, bool sessions, unsigned *flushed,
                                     int64_t *detail)
{
    enum chip_error error;

    *flushed = 0;
    error = flush_all_from(tpm, HANDLE_TRANSIENT_FIRST, flushed, detail);
    if (error == CHIP_OK && sessions)
        error = flush_all_from(tpm, HANDLE_LOADED_SESSIONS, flushed, detail);
    if (error == CHIP_OK && sessions)
        error = flush_all_from(tpm, HANDLE_SAVED_SESSIONS, flushed, detail);
    return error;
}

enum chip_error chip_flush_recorded(struct rm_tpm *tpm, const struct ledger *ledger,
                                    unsigned *flushed, int64_t *detail)
{
    uint8_t command[COMMAND_OWN_SIZE], response[CHIP_MIN_BUFFER];
    enum chip_error error;
    size_t size;

    *flushed = 0;
    for (unsigned i = 0; i < LEDGER_SESSIONS; i++) {
        if (!handle_is_session(ledger->sessions[i]))
            continue;
        size = command_build_flush_context(command, ledger->sessions[i]);
        error = ask(tpm, command, size, response, &size, detail);
        /* A session that the chip does not have is flushed already. */
        if (error != CHIP_OK && error != CHIP_ERROR_CODE)
            return error;
        *flushed += error == CHIP_OK;
    }
    if (!ledger->starting)
        return CHIP_OK;
    return flush_all_from(tpm, HANDLE_LOADED_SESSIONS, flushed, detail);
}
