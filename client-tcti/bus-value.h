/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the values of a D-Bus message, which come from outside. Every function gives false where
 * the bytes end too early; the reader's position means nothing then. Alignment counts from the
 * first byte of a message. As a body begins at a multiple of 8, one reader with one offset serves
 * header and body. The bytes of padding are not looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads from offset `at` of the message at `bytes` on, and nothing from `end` on. */
struct bus_value_reader {
    const uint8_t *bytes;
    size_t at;
    size_t end;
    bool big; /* endian */
};

/* Passes over padding to the next multiple of `boundary`. */
bool bus_value_align(struct bus_value_reader *reader, size_t boundary);

/* An integer of 1, 2, 4 or 8 bytes, with the padding before it. */
bool bus_value_integer(struct bus_value_reader *reader, uint64_t *value, size_t size);

/* A text that ends with its first zero, in the bytes that are read. The length before it is an
 * integer of `length_size` bytes: one for a signature, four for other strings. */
bool bus_value_string(struct bus_value_reader *reader, const char **text, size_t length_size);

/* Passes over a value of a basic type, by its size. False for arrays, structs and variants. */
bool bus_value_skip(struct bus_value_reader *reader, char type);
