/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TPM response as a view of its bytes: header, handle, parameters, authorization area
 * (TPM 2.0 Library Part 1, clause "Command/Response Structure"), and builders of the responses
 * that are given without the TPM. The view borrows the bytes; nothing is allocated.
 */
#pragma once

#include "wire/command.h"

struct response {
    uint8_t *bytes;
    size_t size;
    uint32_t code;   /* TPM_RC; where it is not 0 nothing else below is set */
    uint32_t handle; /* of a command whose response has one */
    size_t parameters_at;
    size_t parameters_size;
    uint8_t session_attributes[COMMAND_MAX_SESSIONS]; /* TPMA_SESSION, one per command session */
};

/*
 * Reads the TPM's answer to `command`. Returns false for anything that is no well-formed answer
 * to it: size field and size disagree, success under another tag than the command's, handle or
 * parameter size past the end, an authorization area that does not fit the command's sessions.
 */
bool response_parse(struct response *response, const struct command *command, uint8_t *bytes,
                    size_t size);

/* Where the response's handle stands. */
#define RESPONSE_HANDLE_AT HEADER_SIZE

/* Writes the ten-byte response that says `code` and nothing else; returns 10. */
size_t response_build_code(uint8_t *out, uint32_t code);

/* Writes a successful response of `size` bytes in all to the header at `out`; returns `size`. */
size_t response_build_success(uint8_t *out, size_t size);
