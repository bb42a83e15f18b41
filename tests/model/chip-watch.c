/* SPDX-License-Identifier: BSD-2-Clause */
#include "chip-watch.h"

#include "random.h"
#include "wire/handle.h"
#include "wire/header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Tries of a command that the TPM is too busy for. */
#define MOST_BACKOFFS 3

/* Commands that the manager sends of its own accord. */
static bool may_be_own(uint32_t code)
{
    return code == TPM2_CC_ContextSave || code == TPM2_CC_ContextLoad
           || code == TPM2_CC_FlushContext || code == TPM2_CC_GetCapability
           || code == TPM2_CC_Startup;
}

/* An object is saved and flushed by commands of the manager's own, whose handle is the chip's: that
 * it is the same number as the client's means nothing. */
static bool moves_object(const uint8_t *command)
{
    uint32_t code = header_load(command).code;

    return (code == TPM2_CC_ContextSave || code == TPM2_CC_FlushContext)
           && handle_is_transient(load_be32(command + HEADER_SIZE));
}

static bool is_clients(const struct chip_watch *watch, const uint8_t *command, size_t size)
{
    /* The manager proves by it which object is in a slot. */
    if (command == watch->own_command && header_load(command).code == TPM2_CC_ReadPublic)
        return false;
    if (!watch->client_bytes || header_load(watch->client_bytes).code != header_load(command).code
        || moves_object(command))
        return false;
    return !may_be_own(header_load(command).code)
           || (size == watch->client_size && memcmp(command, watch->client_bytes, size) == 0);
}

/* The TPM did not look at the command: for want of room, of something that it names, or of a
 * startup. */
static bool is_refusal(uint32_t code)
{
    return code == TPM2_RC_INITIALIZE || code == TPM2_RC_RETRY
           || (code >= TPM2_RC_CONTEXT_GAP && code <= TPM2_RC_REFERENCE_S6);
}

/* Whether the chip could give this code to this command. */
static bool is_plausible(uint32_t code, const uint8_t *command)
{
    uint32_t what = header_load(command).code;
    bool saves_session =
        what == TPM2_CC_ContextSave && handle_is_session(load_be32(command + HEADER_SIZE));

    if (code == TPM2_RC_CONTEXT_GAP)
        return saves_session;
    if (code == TPM2_RC_SESSION_HANDLES)
        return what == TPM2_CC_StartAuthSession;
    /* These want room, and what follows needs none. */
    if (code > TPM2_RC_CONTEXT_GAP && code <= TPM2_RC_OBJECT_HANDLES)
        return what != TPM2_CC_ContextSave && what != TPM2_CC_FlushContext
               && what != TPM2_CC_GetCapability && what != TPM2_CC_Startup
               && what != TPM2_CC_ReadClock;
    return true;
}

/* The fault that hits this command. */
static enum chip_watch_fault take_fault(struct chip_watch *watch, const uint8_t *command)
{
    uint32_t code = header_load(command).code;

    if (watch->fault == CHIP_WATCH_NONE)
        return CHIP_WATCH_NONE;
    if (watch->fault == CHIP_WATCH_CODE && !is_plausible(watch->code, command))
        return CHIP_WATCH_NONE;
    if (watch->fault == CHIP_WATCH_LIE && code != TPM2_CC_FlushContext)
        return CHIP_WATCH_NONE;
    if (watch->fault == CHIP_WATCH_ALTER && (code != TPM2_CC_HMAC || !watch->client_bytes))
        return CHIP_WATCH_NONE;
    if (watch->skip > 0) {
        watch->skip--;
        return CHIP_WATCH_NONE;
    }
    if (watch->times == 0)
        return CHIP_WATCH_NONE;
    watch->times--;
    watch->gave_up |= watch->fault == CHIP_WATCH_CODE && watch->code == TPM2_RC_SESSION_HANDLES;
    watch->hit = true;
    watch->hit_code = code;
    watch->hit_startup |= code == TPM2_CC_Startup;
    return watch->fault;
}

/* Of the commands that the manager sends those about contexts do not (Part 1, "Exclusive Audit
 * Session"). */
static bool ends_exclusiveness(uint32_t code)
{
    return code == TPM2_CC_GetCapability || code == TPM2_CC_ReadClock
           || code == TPM2_CC_GetTestResult;
}

static int answer_code(uint8_t *response, size_t *size, uint32_t code)
{
    header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    *size = HEADER_SIZE;
    return 0;
}

/* The session whose context is in the answer, or 0. */
static uint32_t session_saved(const uint8_t *command, const uint8_t *response)
{
    uint32_t handle;

    if (header_load(command).code != TPM2_CC_ContextSave
        || header_load(response).code != TPM2_RC_SUCCESS)
        return 0;
    handle = load_be32(command + HEADER_SIZE);
    return handle_is_session(handle) ? handle : 0;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct chip_watch *watch = (struct chip_watch *)tpm;
    bool clients = is_clients(watch, command, size);
    enum chip_watch_fault fault = take_fault(watch, command);
    struct rm_tpm *below = &watch->chip->tpm;
    int error;

    if (clients) {
        watch->ran = watch->answered = false;
        watch->unheard =
            fault == CHIP_WATCH_DOWN || fault == CHIP_WATCH_LOST || fault == CHIP_WATCH_CUT;
    }
    watch->live(watch, 0);
    if (fault == CHIP_WATCH_ABORT)
        abort();
    if (fault == CHIP_WATCH_CODE)
        return answer_code(response, response_size, watch->code);
    if (fault == CHIP_WATCH_LIE)
        return answer_code(response, response_size, TPM2_RC_SUCCESS);
    if (fault == CHIP_WATCH_DOWN)
        return -EIO;
    if (clients)
        random_seed_chip(watch->seed);
    else if (header_load(command).code == TPM2_CC_Startup)
        random_seed_chip(watch->startup_seed);
    if (!clients && !watch->ran && ends_exclusiveness(header_load(command).code))
        watch->asked = true;
    error = below->transact(below, locality, command, size, response, capacity, response_size);
    if (fault == CHIP_WATCH_ALTER && error == 0 && *response_size > HEADER_SIZE) {
        response[*response_size - 1] ^= 1;
        fault = CHIP_WATCH_NONE;
    }
    if (clients && error == 0) {
        watch->ran = !is_refusal(header_load(response).code);
        watch->answered = watch->ran && fault == CHIP_WATCH_NONE;
    }
    watch->live(watch, error == 0 ? session_saved(command, response) : 0);
    if (fault == CHIP_WATCH_NONE || error != 0)
        return error;
    if (session_saved(command, response))
        watch->lost_session = session_saved(command, response);
    if (fault == CHIP_WATCH_LOST)
        return -EIO;
    --*response_size;
    return 0;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    return attempt <= MOST_BACKOFFS;
}

void chip_watch_init(struct chip_watch *watch, struct libtpms_chip *chip)
{
    *watch = (struct chip_watch){.tpm = {transact, backoff}, .chip = chip};
}

void chip_watch_begin(struct chip_watch *watch, const uint8_t *command, size_t size)
{
    watch->client_bytes = command;
    watch->client_size = size;
    watch->hit = watch->hit_startup = watch->ran = watch->answered = watch->gave_up = false;
    watch->asked = watch->unheard = false;
    watch->lost_session = 0;
}
