/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TPM command as a view of its bytes: header, handle area, authorization area, parameters
 * (TPM 2.0 Library Part 1, clause "Command/Response Structure"). The view borrows the bytes;
 * nothing is copied and nothing is allocated.
 */
#pragma once

#include "wire/command-table.h"
#include "wire/header.h"

#define COMMAND_MAX_HANDLES  7 /* what three bits of TPMA_CC can say */
#define COMMAND_MAX_SESSIONS 3

/* One entry of the authorization area. */
struct command_session {
    uint32_t handle;
    uint8_t attributes; /* TPMA_SESSION */
};

struct command {
    const uint8_t *bytes;
    size_t size;
    uint16_t tag;
    uint32_t code;
    uint32_t attributes; /* TPMA_CC of the TPM's command table */
    int table_index;     /* position in that table */
    unsigned handle_count;
    uint32_t handles[COMMAND_MAX_HANDLES];
    unsigned session_count;
    struct command_session sessions[COMMAND_MAX_SESSIONS];
    size_t parameters_at; /* offset of the first parameter byte */
};

/*
 * Reads the command of `size` bytes at `bytes`. Returns 0, or the TPM_RC that says what is wrong:
 * TPM_RC_COMMAND_SIZE (size and size field disagree), TPM_RC_BAD_TAG, TPM_RC_COMMAND_CODE (the
 * TPM has no such command), TPM_RC_INSUFFICIENT (handle area cut), TPM_RC_AUTHSIZE (authorization
 * area malformed), TPM_RC_AUTH_CONTEXT (sessions on a command that takes none).
 * Parameters are not looked at. On failure the view holds what was read up to there.
 */
uint32_t command_parse(struct command *command, const struct command_table *table,
                       const uint8_t *bytes, size_t size);

/* Where handle number `index` of the handle area stands in a command's bytes. */
uint8_t *command_handle_at(uint8_t *bytes, unsigned index);

/* Bytes of parameters. */
size_t command_parameters_size(const struct command *command);

/* Builders of the few commands that the resource manager sends of its own accord. Each writes a
 * whole command without sessions to `out` and returns its size. */
#define COMMAND_OWN_SIZE 22 /* the largest of those without a context in them */
size_t command_build_startup(uint8_t *out, uint16_t startup_type);
size_t command_build_get_capability(uint8_t *out, uint32_t capability, uint32_t property,
                                    uint32_t count);
size_t command_build_read_clock(uint8_t *out);
size_t command_build_read_public(uint8_t *out, uint32_t handle);
size_t command_build_flush_context(uint8_t *out, uint32_t handle);
size_t command_build_context_save(uint8_t *out, uint32_t handle);
/* `context` is a whole TPMS_CONTEXT; `out` has room for HEADER_SIZE + context_size bytes. */
size_t command_build_context_load(uint8_t *out, const uint8_t *context, size_t context_size);
