/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client sees of the TPM's resources: its own, as if the TPM were its alone
 * (TPM2_GetCapability, TPM 2.0 Library Part 3, clause 30.2). With sessions on the command the
 * answer is covered by an HMAC and passes as the chip gave it; a query whose answer would show
 * what other clients hold is refused then.
 */
#pragma once

#include "rm/state.h"

/* Answers a query for transient objects or sessions without the chip, or refuses with 0xB0145 one
 * with sessions for these or for their numbers; writes the whole response and gives its size. 0
 * when the query is for something else. */
size_t capability_answer(const struct rm_client *client, const struct command *command,
                         uint8_t *response);

/* Puts the client's figures in place of the chip's in an answer to TPM2_GetCapability. */
void capability_patch(const struct rm_client *client, const struct command *command,
                      struct response *response);
