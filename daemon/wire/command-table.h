/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that the TPM has, as it tells them itself through TPM2_GetCapability
 * (TPM_CAP_COMMANDS): one TPMA_CC word each (TPM 2.0 Library Part 2, clause 8.9). What a command
 * has in its handle area, and whether its response has a handle, is known from here alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_tpm2_types.h>

#define COMMAND_TABLE_MAX 512

struct command_table {
    uint32_t count;
    uint32_t attributes[COMMAND_TABLE_MAX]; /* TPMA_CC, in ascending order of command code */
};

/* Adds a command. Returns false when the table is full; a command that is there already is kept
 * once. The order of the calls does not matter. */
bool command_table_add(struct command_table *table, uint32_t tpma_cc);

/* The position of the command with the TPM_CC `code`, or -1 when the TPM has no such command. */
int command_table_find(const struct command_table *table, uint32_t code);

/* Of a TPMA_CC: the TPM_CC. */
static inline uint32_t command_attributes_code(uint32_t tpma_cc)
{
    return tpma_cc & (TPMA_CC_COMMANDINDEX_MASK | TPMA_CC_V);
}

/* Handles in the command, 0 to 7. */
static inline unsigned command_attributes_handles(uint32_t tpma_cc)
{
    return (tpma_cc & TPMA_CC_CHANDLES_MASK) >> TPMA_CC_CHANDLES_SHIFT;
}

/* Whether the response has a handle. */
static inline bool command_attributes_response_handle(uint32_t tpma_cc)
{
    return tpma_cc & TPMA_CC_RHANDLE;
}

/* Whether success flushes the command's transient objects. */
static inline bool command_attributes_flushed(uint32_t tpma_cc)
{
    return tpma_cc & TPMA_CC_FLUSHED;
}
