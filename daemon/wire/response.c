/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/response.h"

#include <tss2/tss2_tpm2_types.h>

/* One TPMS_AUTH_RESPONSE: nonce, attributes, HMAC (Part 2, clause 10.13.3). */
static bool parse_session(struct response *response, size_t *at, uint8_t *attributes)
{
    const uint8_t *bytes = response->bytes;
    size_t left = response->size - *at, nonce, hmac;

    if (left < 5)
        return false;
    nonce = load_be16(bytes + *at);
    if (left - 5 < nonce)
        return false;
    *attributes = bytes[*at + 2 + nonce];
    hmac = load_be16(bytes + *at + 3 + nonce);
    if (left - 5 - nonce < hmac)
        return false;
    *at += 5 + nonce + hmac;
    return true;
}

bool response_parse(struct response *response, const struct command *command, uint8_t *bytes,
                    size_t size)
{
    struct header header;
    size_t at = HEADER_SIZE;

    *response = (struct response){.bytes = bytes, .size = size};
    if (size < HEADER_SIZE)
        return false;
    header = header_load(bytes);
    if (header.size != size)
        return false;
    response->code = header.code;
    if (header.code != TPM2_RC_SUCCESS)
        return size == HEADER_SIZE;
    if (header.tag != command->tag)
        return false;
    if (command_attributes_response_handle(command->attributes)) {
        if (size - at < 4)
            return false;
        response->handle = load_be32(bytes + at);
        at += 4;
    }
    if (header.tag == TPM2_ST_NO_SESSIONS) {
        response->parameters_at = at;
        response->parameters_size = size - at;
        return true;
    }
    if (size - at < 4)
        return false;
    response->parameters_size = load_be32(bytes + at);
    at += 4;
    response->parameters_at = at;
    if (response->parameters_size > size - at)
        return false;
    at += response->parameters_size;
    for (unsigned i = 0; i < command->session_count; i++) {
        if (!parse_session(response, &at, &response->session_attributes[i]))
            return false;
    }
    return at == size;
}

size_t response_build_code(uint8_t *out, uint32_t code)
{
    header_store(out, TPM2_ST_NO_SESSIONS, HEADER_SIZE, code);
    return HEADER_SIZE;
}

size_t response_build_success(uint8_t *out, size_t size)
{
    header_store(out, TPM2_ST_NO_SESSIONS, (uint32_t)size, TPM2_RC_SUCCESS);
    return size;
}
