/* SPDX-License-Identifier: BSD-2-Clause */
#include "synth-chip.h"

#include "fuzz.h"
#include "rm/chip.h"
#include "wire/handle.h"
#include "wire/response.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Of a context: identity, epoch, and a sum over all before it, so that a changed bit shows. */
#define SEALED_BYTES  12
#define CONTEXT_BYTES (CONTEXT_HEADER_BYTES + SEALED_BYTES)

/* Parameters of the answer to a command that is not looked into. */
#define ANSWER_BYTES 8

/* TPMA_CC words, as libtpms lists them. */
static const uint32_t command_words[] = {
    0x0440011f, 0x04400120, 0x02c00121, 0x04400122, 0x02c00124, 0x02c00125, 0x02c00126, 0x02400127,
    0x02400128, 0x02400129, 0x0240012a, 0x0240012b, 0x0240012c, 0x0240012d, 0x0240012e, 0x02000130,
    0x12000131, 0x02400132, 0x04400133, 0x04400134, 0x04400135, 0x04400136, 0x04400137, 0x04400138,
    0x02400139, 0x0240013a, 0x0240013b, 0x0240013c, 0x0240013d, 0x0300013e, 0x0240013f, 0x02400140,
    0x00400142, 0x00400143, 0x00400144, 0x00400145, 0x00400146, 0x04000147, 0x04000148, 0x06000149,
    0x0400014a, 0x0400014b, 0x0400014c, 0x0600014d, 0x0400014e, 0x0440014f, 0x04000150, 0x04000151,
    0x04000152, 0x02000153, 0x02000154, 0x02000155, 0x02000156, 0x12000157, 0x02000158, 0x02000159,
    0x1200015b, 0x0200015c, 0x0200015d, 0x0200015e, 0x04000160, 0x10000161, 0x02000162, 0x02000163,
    0x02000164, 0x00000165, 0x10000167, 0x02000168, 0x02000169, 0x0200016a, 0x0200016b, 0x0200016c,
    0x0200016d, 0x0200016e, 0x0200016f, 0x02000170, 0x02000171, 0x02000172, 0x02000173, 0x02000174,
    0x14000176, 0x02000177, 0x00000178, 0x0000017a, 0x0000017b, 0x0000017c, 0x0000017d, 0x0000017e,
    0x0200017f, 0x02000180, 0x00000181, 0x02400182, 0x02000183, 0x06000184, 0x05400185, 0x10000186,
    0x02000187, 0x02000188, 0x02000189, 0x0000018a, 0x0200018b, 0x0200018c, 0x0200018d, 0x0000018e,
    0x0200018f, 0x02000190, 0x12000191, 0x06000192, 0x02000193, 0x04000197,
};

/* Sums of a command's bytes and what it is refused with; the other sums are served. */
static const struct {
    uint8_t sum;
    uint32_t code;
} refusals[] = {
    {0x11, TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1},
    {0x22, TPM2_RC_RETRY},
    {0x33, TPM2_RC_YIELDED},
    {0x44, TPM2_RC_MEMORY},
    {0x55, TPM2_RC_LOCKOUT},
    {0x66, SYNTH_RC_PARAMETER(TPM2_RC_VALUE)},
    {0x77, TPM2_RC_OBJECT_MEMORY},
};

static uint32_t sum_of(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static struct synth_object *object_at(struct synth_chip *chip, uint32_t handle)
{
    uint32_t index = handle & HANDLE_INDEX_MASK;

    if (!handle_is_transient(handle) || index >= SYNTH_OBJECTS || !chip->objects[index].there)
        return NULL;
    return &chip->objects[index];
}

static struct synth_session *session_at(struct synth_chip *chip, uint32_t handle)
{
    uint32_t index = handle & HANDLE_INDEX_MASK;

    if (!handle_is_session(handle) || index >= SYNTH_SESSIONS
        || chip->sessions[index].state == SYNTH_SESSION_NONE)
        return NULL;
    return &chip->sessions[index];
}

/* No further session context may be made: the oldest lies a whole gap back. */
static bool gap_is_used_up(const struct synth_chip *chip)
{
    for (unsigned i = 0; i < SYNTH_SESSIONS; i++) {
        if (chip->sessions[i].state == SYNTH_SESSION_SAVED
            && chip->session_counter - chip->sessions[i].sequence >= chip->gap)
            return true;
    }
    return false;
}

static uint32_t add_object(struct synth_chip *chip, struct synth_object object, uint32_t *handle)
{
    if (synth_count_objects(chip) >= chip->object_slots)
        return TPM2_RC_OBJECT_MEMORY;
    for (unsigned i = 0; i < SYNTH_OBJECTS; i++) {
        if (chip->objects[i].there)
            continue;
        chip->objects[i] = object;
        *handle = HANDLE_TRANSIENT_FIRST + i;
        return TPM2_RC_SUCCESS;
    }
    return TPM2_RC_OBJECT_MEMORY;
}

static uint32_t start_session(struct synth_chip *chip, const struct command *command,
                              uint32_t *handle)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;
    size_t size = command_parameters_size(command), at;
    bool policy = false;

    /* nonceCaller, encryptedSalt, sessionType */
    if (size >= 2) {
        at = 2 + (size_t)load_be16(parameters);
        if (at + 2 <= size) {
            at += 2 + (size_t)load_be16(parameters + at);
            policy = at < size && parameters[at] != TPM2_SE_HMAC;
        }
    }
    if (gap_is_used_up(chip))
        return TPM2_RC_CONTEXT_GAP;
    if (synth_count_sessions(chip) >= chip->session_slots)
        return TPM2_RC_SESSION_MEMORY;
    for (unsigned i = 0; i < SYNTH_SESSIONS; i++) {
        struct synth_session *session = &chip->sessions[i];

        if (session->state != SYNTH_SESSION_NONE)
            continue;
        *handle = (policy ? UINT32_C(0x03000000) : UINT32_C(0x02000000)) + i;
        *session = (struct synth_session){SYNTH_SESSION_LOADED, *handle, 0};
        return TPM2_RC_SUCCESS;
    }
    return TPM2_RC_SESSION_HANDLES;
}

static void seal(const struct synth_chip *chip, uint8_t *out, uint64_t sequence,
                 uint32_t saved_handle, uint32_t hierarchy, uint32_t id)
{
    store_be32(out, (uint32_t)(sequence >> 32));
    store_be32(out + 4, (uint32_t)sequence);
    store_be32(out + 8, saved_handle);
    store_be32(out + 12, hierarchy);
    store_be16(out + 16, SEALED_BYTES);
    store_be32(out + 18, id);
    store_be32(out + 22, chip->epoch);
    store_be32(out + 26, sum_of(out, 26));
}

static uint32_t context_save(struct synth_chip *chip, const struct command *command, uint8_t *out)
{
    struct synth_object *object = object_at(chip, command->handles[0]);
    struct synth_session *session = session_at(chip, command->handles[0]);

    if (object) {
        seal(chip, out, ++chip->object_counter,
             object->sequence ? CONTEXT_SEQUENCE : CONTEXT_OBJECT, object->hierarchy, object->id);
        return TPM2_RC_SUCCESS;
    }
    if (!session || session->state != SYNTH_SESSION_LOADED)
        return TPM2_RC_REFERENCE_H0;
    if (gap_is_used_up(chip))
        return TPM2_RC_CONTEXT_GAP;
    session->state = SYNTH_SESSION_SAVED;
    session->sequence = ++chip->session_counter;
    seal(chip, out, session->sequence, session->handle, TPM2_RH_NULL, 0);
    return TPM2_RC_SUCCESS;
}

static uint32_t context_load(struct synth_chip *chip, const struct command *command,
                             uint32_t *handle)
{
    const uint8_t *bytes = command->bytes + command->parameters_at;
    struct synth_session *session;
    struct tpms_context context;

    if (!tpms_context_parse(&context, bytes, command_parameters_size(command)))
        return SYNTH_RC_PARAMETER(TPM2_RC_SIZE);
    if (command_parameters_size(command) != CONTEXT_BYTES
        || load_be32(bytes + 26) != sum_of(bytes, 26) || load_be32(bytes + 22) != chip->epoch)
        return SYNTH_RC_PARAMETER(TPM2_RC_INTEGRITY);
    if (handle_is_session(context.saved_handle)) {
        session = session_at(chip, context.saved_handle);
        if (!session || session->state != SYNTH_SESSION_SAVED
            || session->sequence != context.sequence)
            return SYNTH_RC_PARAMETER(TPM2_RC_HANDLE);
        if (synth_count_sessions(chip) >= chip->session_slots)
            return TPM2_RC_SESSION_MEMORY;
        session->state = SYNTH_SESSION_LOADED;
        *handle = session->handle;
        return TPM2_RC_SUCCESS;
    }
    return add_object(chip,
                      (struct synth_object){true, context.saved_handle == CONTEXT_SEQUENCE,
                                            context.hierarchy, load_be32(bytes + 18)},
                      handle);
}

static uint32_t flush_context(struct synth_chip *chip, const struct command *command)
{
    struct synth_session *session;
    struct synth_object *object;
    uint32_t handle;

    if (command_parameters_size(command) != 4)
        return SYNTH_RC_PARAMETER(TPM2_RC_SIZE);
    handle = load_be32(command->bytes + command->parameters_at);
    object = object_at(chip, handle);
    session = session_at(chip, handle);
    if (!object && !session)
        return SYNTH_RC_PARAMETER(TPM2_RC_HANDLE);
    if (object)
        *object = (struct synth_object){0};
    if (session)
        *session = (struct synth_session){0};
    return TPM2_RC_SUCCESS;
}

/* All that a command names must be there: 0, or the code that says what is not. */
static uint32_t check_named(struct synth_chip *chip, const struct command *command)
{
    struct synth_session *session;
    unsigned persistent = 0;

    for (unsigned i = 0; i < command->handle_count; i++) {
        uint32_t handle = command->handles[i];

        session = session_at(chip, handle);
        if ((handle_is_transient(handle) && !object_at(chip, handle))
            || (handle_is_session(handle)
                && (!session || session->state != SYNTH_SESSION_LOADED
                    || session->handle != handle)))
            return TPM2_RC_REFERENCE_H0 + i;
        persistent += handle_is_persistent(handle);
    }
    if (persistent && synth_count_objects(chip) + persistent > chip->object_slots)
        return TPM2_RC_OBJECT_MEMORY;
    for (unsigned i = 0; i < command->session_count; i++) {
        session = session_at(chip, command->sessions[i].handle);
        if (command->sessions[i].handle == TPM2_RS_PW)
            continue;
        if (!session || session->state != SYNTH_SESSION_LOADED
            || session->handle != command->sessions[i].handle)
            return TPM2_RC_REFERENCE_S0 + i;
    }
    return TPM2_RC_SUCCESS;
}

static uint32_t refusal_of(struct synth_chip *chip, const struct command *command)
{
    uint8_t sum = (uint8_t)sum_of(command->bytes, command->size);

    if (command->code == TPM2_CC_GetCapability || command->code == TPM2_CC_ReadClock)
        return TPM2_RC_SUCCESS;
    for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        /* What is to be tried again is served the second time. */
        if (refusals[i].sum == sum && !chip->busy && !chip->obliging) {
            chip->busy = true;
            return refusals[i].code;
        }
    }
    chip->busy = false;
    return TPM2_RC_SUCCESS;
}

static void drop_hierarchies(struct synth_chip *chip, const struct command *command)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;
    uint32_t code = command->code;

    for (unsigned i = 0; i < SYNTH_OBJECTS; i++) {
        uint32_t hierarchy = chip->objects[i].hierarchy;

        if ((code == TPM2_CC_Clear && hierarchy != TPM2_RH_PLATFORM && hierarchy != TPM2_RH_NULL)
            || (code == TPM2_CC_ChangePPS && hierarchy == TPM2_RH_PLATFORM)
            || (code == TPM2_CC_ChangeEPS && hierarchy == TPM2_RH_ENDORSEMENT)
            || (code == TPM2_CC_HierarchyControl && command_parameters_size(command) == 5
                && parameters[4] == 0 && hierarchy == load_be32(parameters)))
            chip->objects[i] = (struct synth_object){0};
    }
}

/* TPMS_TIME_INFO: time, clock, resets, restarts, whether the clock is safe. */
static uint32_t read_clock(const struct synth_chip *chip, uint8_t *out, size_t *size)
{
    *size = 8 + 8 + 4 + 4 + 1;
    memset(out, 0, *size);
    store_be32(out + 16, chip->epoch);
    return TPM2_RC_SUCCESS;
}

/* A command that is not looked into but for what its entry in the command table says. */
static uint32_t run_other(struct synth_chip *chip, const struct command *command, uint32_t *handle)
{
    uint32_t hierarchy =
        command->code == TPM2_CC_CreatePrimary ? command->handles[0] : TPM2_RH_OWNER;
    bool sequence =
        command->code == TPM2_CC_HashSequenceStart || command->code == TPM2_CC_HMAC_Start;

    if (command_attributes_response_handle(command->attributes)) {
        struct synth_object object = {true, sequence, hierarchy, ++chip->next_id};
        uint32_t code = add_object(chip, object, handle);

        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    for (unsigned i = 0; i < command->handle_count; i++) {
        struct synth_object *object = object_at(chip, command->handles[i]);

        if (object && command_attributes_flushed(command->attributes))
            *object = (struct synth_object){0};
    }
    drop_hierarchies(chip, command);
    return TPM2_RC_SUCCESS;
}

/* Runs a command. The response's handle goes to *handle, its parameters to `out`. */
static uint32_t run(struct synth_chip *chip, const struct command *command, uint32_t *handle,
                    uint8_t *out, size_t *size)
{
    uint32_t code;

    *size = 0;
    if (command->code == TPM2_CC_Startup) {
        code = chip->started ? TPM2_RC_INITIALIZE : TPM2_RC_SUCCESS;
        chip->started = true;
        return code;
    }
    if (!chip->started)
        return TPM2_RC_INITIALIZE;
    switch (command->code) {
    case TPM2_CC_ContextSave:
        *size = CONTEXT_BYTES;
        return context_save(chip, command, out);
    case TPM2_CC_ContextLoad:
        return context_load(chip, command, handle);
    case TPM2_CC_FlushContext:
        return flush_context(chip, command);
    default:
        break;
    }
    code = refusal_of(chip, command);
    if (code == TPM2_RC_SUCCESS)
        code = check_named(chip, command);
    if (code != TPM2_RC_SUCCESS)
        return code;
    if (command->code == TPM2_CC_GetCapability)
        return synth_capability(chip, command, out, size);
    if (command->code == TPM2_CC_ReadClock)
        return read_clock(chip, out, size);
    *size = ANSWER_BYTES;
    memset(out, 0x5A, ANSWER_BYTES);
    if (command->code == TPM2_CC_StartAuthSession)
        return start_session(chip, command, handle);
    return run_other(chip, command, handle);
}

/* The authorization area of a success; sessions that are not to continue end. */
static size_t answer_sessions(struct synth_chip *chip, const struct command *command, uint8_t *out)
{
    size_t at = 0;

    for (unsigned i = 0; i < command->session_count; i++) {
        struct synth_session *session = session_at(chip, command->sessions[i].handle);
        bool password = command->sessions[i].handle == TPM2_RS_PW;
        uint8_t attributes = command->sessions[i].attributes;

        if (password)
            attributes |= TPMA_SESSION_CONTINUESESSION;
        store_be16(out + at, 0);
        out[at + 2] = attributes;
        store_be16(out + at + 3, 0);
        at += 5;
        if (session && !(attributes & TPMA_SESSION_CONTINUESESSION))
            *session = (struct synth_session){0};
    }
    return at;
}

static size_t answer(struct synth_chip *chip, const struct command *command, uint8_t *response)
{
    uint8_t parameters[SYNTH_ANSWER_MAX];
    size_t size = 0, at = HEADER_SIZE;
    uint32_t handle = 0;
    uint32_t code = run(chip, command, &handle, parameters, &size);

    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    if (command_attributes_response_handle(command->attributes)) {
        store_be32(response + at, handle);
        at += 4;
    }
    if (command->tag == TPM2_ST_SESSIONS) {
        store_be32(response + at, (uint32_t)size);
        at += 4;
    }
    memcpy(response + at, parameters, size);
    at += size;
    if (command->tag == TPM2_ST_SESSIONS)
        at += answer_sessions(chip, command, response + at);
    header_store(response, command->tag, (uint32_t)at, TPM2_RC_SUCCESS);
    return at;
}

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *bytes, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct synth_chip *chip = (struct synth_chip *)tpm;
    struct command command;
    uint8_t *copy;
    uint32_t code;

    (void)locality;
    fuzz_must(capacity >= SYNTH_ANSWER_MAX + 64, "room for %zu bytes of an answer", capacity);
    fuzz_must(size >= HEADER_SIZE && size <= CHIP_MAX_BUFFER, "a command of %zu bytes was sent",
              size);
    /* A copy of just the size shows overruns. */
    copy = malloc(size);
    fuzz_must(copy, "no memory");
    memcpy(copy, bytes, size);
    code = command_parse(&command, &chip->commands, copy, size);
    *response_size = code == TPM2_RC_SUCCESS ? answer(chip, &command, response)
                                             : response_build_code(response, code);
    free(copy);
    return 0;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    return attempt <= 3;
}

struct synth_chip *synth_chip_new(uint8_t kind)
{
    struct synth_chip *chip = calloc(1, sizeof(*chip));

    fuzz_must(chip, "no memory");
    chip->tpm = (struct rm_tpm){transact, backoff};
    for (unsigned i = 0; i < sizeof(command_words) / sizeof(command_words[0]); i++)
        command_table_add(&chip->commands, command_words[i]);
    chip->object_slots = 2 + (kind & 3);
    chip->session_slots = 2 + (kind >> 2 & 3);
    chip->gap = kind & 0x10 ? 63 : 255;
    chip->max_size = kind & 0x20 ? 1024 : 4096;
    return chip;
}

void synth_chip_free(struct synth_chip *chip)
{
    free(chip);
}

void synth_chip_power_cycle(struct synth_chip *chip)
{
    chip->started = false;
    chip->busy = false;
    chip->epoch++;
    memset(chip->objects, 0, sizeof(chip->objects));
    memset(chip->sessions, 0, sizeof(chip->sessions));
}
