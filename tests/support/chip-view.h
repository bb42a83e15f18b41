/* SPDX-License-Identifier: BSD-2-Clause */
/* A look into swtpm itself, past every resource manager, over its Unix socket for commands. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The handles of the kind of `first` (its top byte), from `first` on, as TPM2_GetCapability tells
 * them. How many were written, or -1 when the chip did not answer as it should. */
int chip_view_handles(const char *server, uint32_t first, uint32_t *handles, size_t max);
