/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object or the session that a command makes. The memory for it is taken before the chip is
 * asked; what the chip made is entered into the books then, and cannot fail for want of memory.
 */
#pragma once

#include "rm/residency.h"

struct command_result {
    struct object *object;
    struct session *session;
};

/* Checks the client's limits and takes the memory for what the command makes, which `needs` counts.
 * `result` is empty. A code for the client; what was taken is for command_result_clear() then. */
uint32_t command_result_prepare(struct rm_client *client, const struct command *command,
                                struct command_needs *needs, struct command_result *result);

/* Enters the object or session that the chip made into the books, and puts the client's handle into
 * `response`. False when the answer does not tell of one. */
bool command_result_adopt(struct rm_client *client, const struct command *command,
                          struct response *response, struct command_result *result);

/* Gives back what was not adopted. */
void command_result_clear(struct rm *rm, struct command_result *result);
