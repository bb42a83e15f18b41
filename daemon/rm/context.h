/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The context commands of clients: TPM2_ContextSave, TPM2_ContextLoad and TPM2_FlushContext (TPM
 * 2.0 Library Part 3, clause 28). Most of them are answered from the books; the chip gets those for
 * which it has to make or take a context.
 */
#pragma once

#include "rm/state.h"

/* Each writes the whole response and gives its size. The command was parsed without fault. */
size_t context_save(struct rm_client *client, const struct command *command, uint8_t *response);
size_t context_flush(struct rm_client *client, const struct command *command, uint8_t *response);

/* The same, but 0 when the chip has to get the command: the context of an object that the books do
 * not have, bytes that are no context, or a command that the chip audits. */
size_t context_load(struct rm_client *client, const struct command *command, uint8_t *response);
