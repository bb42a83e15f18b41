/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of commands, for people. */
#pragma once

#include <stdint.h>

/* The name of the command with the TPM_CC `code` as the TPM 2.0 Library has it, without TPM2_ in
 * front: "Sign". "(unknown)" for others, such as those of vendors. Never NULL. Any thread. */
const char *command_name(uint32_t code);

/* The TPM_CC of a command's name, with TPM2_ in front or without; 0 when there is no such command.
 * Any thread. */
uint32_t command_name_find(const char *name);

/* The name of the next command after *code, which is its code then: all of them, from 0 on. NULL
 * when there is no more. Any thread. */
const char *command_name_next(uint32_t *code);
