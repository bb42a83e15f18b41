/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal that is kept as text. A line `size N` says how many bytes it has; lines `AT: HEX` have
 * those that are not 0, with their place in hexadecimal; lines that begin with `> ` are what it
 * says in words (describe.h), and others with # mean nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct kept {
    uint8_t *bytes; /* at the start of a page */
    size_t size;
    char *words; /* lines of text */
};

void kept_write(FILE *out, const uint8_t *bytes, size_t size, const char *words);

/* False when the file is not one, and then there is nothing to be cleared. */
bool kept_read(struct kept *kept, const char *path);
void kept_clear(struct kept *kept);
