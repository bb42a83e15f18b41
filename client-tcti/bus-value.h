/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the values that a D-Bus message is made of, which come from outside. Every function says
 * false to what the D-Bus specification does not allow, and then leaves the reader anywhere.
 *
 * Alignment counts from the first byte of a message. As a body begins at a multiple of 8, one
 * reader with one offset serves header and body.
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

/* What values of a type are aligned to, 0 if it is none. For those of a fixed size it is the size,
 * too. */
size_t bus_value_alignment(char type);

/* Passes over padding, which is zero. */
bool bus_value_align(struct bus_value_reader *reader, size_t boundary);

/* An integer of 1, 2, 4 or 8 bytes, with the padding before it. */
bool bus_value_integer(struct bus_value_reader *reader, uint64_t *value, size_t size);

/* UTF-8 that ends with a zero, in the bytes that are read. The length before it is an integer of
 * `length_size` bytes: one for a signature, four for other strings. */
bool bus_value_string(struct bus_value_reader *reader, const char **text, size_t length_size);
bool bus_value_path(struct bus_value_reader *reader, const char **path);
bool bus_value_signature(struct bus_value_reader *reader, const char **signature);

/* Pass over one value: of the complete type at `*type` in a valid signature, which moves to the
 * next type; or a variant. `depth` is in how many containers it is. */
bool bus_value_skip(struct bus_value_reader *reader, const char **type, unsigned depth);
bool bus_value_skip_variant(struct bus_value_reader *reader, unsigned depth);
