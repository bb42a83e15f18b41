/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time that the chips see: it stands still. A TPM puts the state of its random numbers into
 * its memory whenever its clock passes a multiple of 4096 ms, and goes on from there after a power
 * cycle. Real time makes two chips pass such a mark at different commands, and what they draw
 * after the next power cycle is not the same.
 */
#pragma once

#include <stdbool.h>

/* Whether a chip of this process has asked for the time, so that it sees this one. */
bool chip_time_was_asked(void);
