/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The context commands as clients send them: TPM2_ContextSave, TPM2_ContextLoad and
 * TPM2_FlushContext (TPM 2.0 Library Part 3, clause 28). What they ask for is mostly a matter of
 * our own books; the chip is asked where only it can make or take a context.
 */
#pragma once

#include "rm/state.h"

/* Each writes the whole response and gives its size. The command was parsed without fault. */
size_t context_save(struct rm_client *client, const struct command *command, uint8_t *response);
size_t context_flush(struct rm_client *client, const struct command *command, uint8_t *response);

/* The same, but 0 when the chip has to load the context: an object's whose bytes we do not know,
 * bytes that are no context, or when the chip audits the command. */
size_t context_load(struct rm_client *client, const struct command *command, uint8_t *response);
