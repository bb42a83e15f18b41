/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers that cannot change, given again without the chip: fixed properties, algorithms, commands
 * and curves (TPM2_GetCapability), and the public area of a transient object (TPM2_ReadPublic).
 * Only for commands without sessions, whose answers bear no HMAC; never for a command that the
 * TPM audits; and none is kept past a reset of the chip or a change of its firmware.
 *
 * Whoever asks is given what is kept. It is charged to the user who asked first, and when there is
 * no room for one more, the oldest of the user with the most goes.
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
