/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbour of neighbour.h behind the counting TCTI. It uses the chip after each command of the
 * TCTI's user, before that gets its answer. A table of counts.h says behind which commands the
 * neighbour was refused for want of room: one count with the code of the command for each time.
 */
#pragma once

#include "neighbour.h"

#include <tss2/tss2_tcti.h>

struct neighbour_tcti;

/* A neighbour with a table at `refused`; NULL with errno when that cannot be made. */
struct neighbour_tcti *neighbour_tcti_new(const struct neighbour_wants *wants, const char *refused);
void neighbour_tcti_free(struct neighbour_tcti *neighbour);

/* The chip is idle, and has answered a command with the code. */
void neighbour_tcti_between(struct neighbour_tcti *neighbour, TSS2_TCTI_CONTEXT *chip,
                            uint32_t code);
