/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a discrete chip takes: such a one sits behind a slow bus and computes slowly. */
#pragma once

#include <stdint.h>

/* Milliseconds for a command, by its TPM_CC. */
uint32_t discrete_ms(uint32_t code);
