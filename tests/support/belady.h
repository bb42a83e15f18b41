/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fewest loads that any resource manager needs for a trace of uses: by Belady's rule the thing
 * whose next use is farthest away leaves its slot. It needs to know the future.
 */
#pragma once

#include <stdint.h>

#define BELADY_SLOTS 8 /* at most */

/* Loads for `length` uses of the things in `trace`, from `slots` empty slots. */
unsigned belady_loads(const uint8_t *trace, unsigned length, unsigned slots);
