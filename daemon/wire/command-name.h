/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of commands, for people. */
#pragma once

#include <stdint.h>

/* The name of the command with the TPM_CC `code` as the TPM 2.0 Library has it, without TPM2_ in
 * front: "Sign". "(unknown)" for others, such as those of vendors. Never NULL. Any thread. */
const char *command_name(uint32_t code);
