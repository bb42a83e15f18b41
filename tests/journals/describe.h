/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal in words: all that the next daemon makes of it. Kept journals have their words beside
 * them, so that a later reader can be held to what the writer meant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Makes books of the journal for a manager without a TPM, and writes lines of text. False when it
 * is not good, which the last line says. */
bool describe(FILE *out, const uint8_t *bytes, size_t size, uint64_t owner);
