/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/command.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* The least bytes of one TPMS_AUTH_COMMAND: handle, nonce size, attributes, HMAC size. */
#define AUTH_COMMAND_MIN 9

/* Commands that never take sessions (TPM 2.0 Library Part 3: their only tag is
 * TPM_ST_NO_SESSIONS); TPMA_CC does not tell it. */
static bool takes_no_sessions(uint32_t code)
{
    return code == TPM2_CC_ContextSave || code == TPM2_CC_ContextLoad
           || code == TPM2_CC_FlushContext || code == TPM2_CC_Startup;
}

/* Takes a TPM2B's bytes off the area between *at and end. */
static bool skip_sized(const uint8_t *bytes, size_t *at, size_t end)
{
    size_t length;

    if (end - *at < 2)
        return false;
    length = load_be16(bytes + *at);
    *at += 2;
    if (end - *at < length)
        return false;
    *at += length;
    return true;
}

/* Reads the authorization area that starts at parameters_at and moves parameters_at behind it. */
static uint32_t parse_sessions(struct command *command)
{
    const uint8_t *bytes = command->bytes;
    size_t at = command->parameters_at, end;
    uint32_t area;

    if (command->size - at < 4)
        return TPM2_RC_AUTHSIZE;
    area = load_be32(bytes + at);
    at += 4;
    if (area < AUTH_COMMAND_MIN || area > command->size - at)
        return TPM2_RC_AUTHSIZE;
    end = at + area;
    while (at < end) {
        struct command_session *session = &command->sessions[command->session_count];

        if (command->session_count == COMMAND_MAX_SESSIONS || end - at < AUTH_COMMAND_MIN)
            return TPM2_RC_AUTHSIZE;
        session->handle = load_be32(bytes + at);
        at += 4;
        if (!skip_sized(bytes, &at, end) || at == end)
            return TPM2_RC_AUTHSIZE;
        session->attributes = bytes[at++];
        if (!skip_sized(bytes, &at, end))
            return TPM2_RC_AUTHSIZE;
        command->session_count++;
    }
    command->parameters_at = end;
    return 0;
}

uint32_t command_parse(struct command *command, const struct command_table *table,
                       const uint8_t *bytes, size_t size)
{
    struct header header;

    *command = (struct command){.bytes = bytes, .size = size, .table_index = -1};
    if (size < HEADER_SIZE)
        return TPM2_RC_COMMAND_SIZE;
    header = header_load(bytes);
    command->tag = header.tag;
    command->code = header.code;
    command->parameters_at = HEADER_SIZE;
    if (header.size != size)
        return TPM2_RC_COMMAND_SIZE;
    if (header.tag != TPM2_ST_NO_SESSIONS && header.tag != TPM2_ST_SESSIONS)
        return TPM2_RC_BAD_TAG;
    command->table_index = command_table_find(table, header.code);
    if (command->table_index < 0)
        return TPM2_RC_COMMAND_CODE;
    command->attributes = table->attributes[command->table_index];

    for (unsigned left = command_attributes_handles(command->attributes); left > 0; left--) {
        if (size - command->parameters_at < 4)
            return TPM2_RC_INSUFFICIENT;
        command->handles[command->handle_count++] = load_be32(bytes + command->parameters_at);
        command->parameters_at += 4;
    }
    if (header.tag == TPM2_ST_NO_SESSIONS)
        return 0;
    if (takes_no_sessions(header.code))
        return TPM2_RC_AUTH_CONTEXT;
    return parse_sessions(command);
}

uint8_t *command_handle_at(uint8_t *bytes, unsigned index)
{
    return bytes + HEADER_SIZE + 4 * (size_t)index;
}

size_t command_parameters_size(const struct command *command)
{
    return command->size - command->parameters_at;
}

/* Writes the header of a command without sessions whose parameters and handles end at `size`. */
static size_t finish(uint8_t *out, size_t size, uint32_t code)
{
    header_store(out, TPM2_ST_NO_SESSIONS, (uint32_t)size, code);
    return size;
}

size_t command_build_startup(uint8_t *out, uint16_t startup_type)
{
    store_be16(out + HEADER_SIZE, startup_type);
    return finish(out, HEADER_SIZE + 2, TPM2_CC_Startup);
}

size_t command_build_get_capability(uint8_t *out, uint32_t capability, uint32_t property,
                                    uint32_t count)
{
    store_be32(out + HEADER_SIZE, capability);
    store_be32(out + HEADER_SIZE + 4, property);
    store_be32(out + HEADER_SIZE + 8, count);
    return finish(out, HEADER_SIZE + 12, TPM2_CC_GetCapability);
}

size_t command_build_read_clock(uint8_t *out)
{
    return finish(out, HEADER_SIZE, TPM2_CC_ReadClock);
}

size_t command_build_read_public(uint8_t *out, uint32_t handle)
{
    store_be32(out + HEADER_SIZE, handle);
    return finish(out, HEADER_SIZE + 4, TPM2_CC_ReadPublic);
}

size_t command_build_flush_context(uint8_t *out, uint32_t handle)
{
    store_be32(out + HEADER_SIZE, handle);
    return finish(out, HEADER_SIZE + 4, TPM2_CC_FlushContext);
}

size_t command_build_context_save(uint8_t *out, uint32_t handle)
{
    store_be32(out + HEADER_SIZE, handle);
    return finish(out, HEADER_SIZE + 4, TPM2_CC_ContextSave);
}

size_t command_build_context_load(uint8_t *out, const uint8_t *context, size_t context_size)
{
    memcpy(out + HEADER_SIZE, context, context_size);
    return finish(out, HEADER_SIZE + context_size, TPM2_CC_ContextLoad);
}
