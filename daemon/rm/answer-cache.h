/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers that cannot change, given again without the chip: fixed properties, algorithms, commands
 * and curves (TPM2_GetCapability), and the public area of a transient object (TPM2_ReadPublic).
 * Only commands without sessions are answered so, as the answers to others bear an HMAC, and no
 * command that the TPM audits. No answer is kept past a reset of the chip or a change of its
 * firmware.
 *
 * Every client is given a kept answer. The answer is charged to the user that asked first. When
 * there is no room for another answer, the oldest answer of the user with the most leaves.
 */
#pragma once

#include "rm/state.h"

/* Writes the kept answer and gives its size, or 0 where there is none. */
size_t answer_cache_find(struct rm_client *client, const struct command *command,
                         uint8_t *response);

/* Keeps a successful answer that qualifies, and drops what the command made obsolete. */
void answer_cache_learn(struct rm_client *client, const struct command *command,
                        const struct response *response);

/* Forgets all kept answers. */
void answer_cache_drop(struct rm *rm);
