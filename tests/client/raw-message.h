/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a D-Bus message of any content, good or bad, piece by piece and in either byte order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_MESSAGE_ROOM 4096

struct raw {
    uint8_t bytes[RAW_MESSAGE_ROOM];
    size_t size;
    size_t body; /* where the body begins */
    bool big;    /* endian */
};

/* In this order: the fixed part, header fields with the value of each behind it, the body. */
void raw_begin(struct raw *raw, bool big, uint8_t type);
void raw_field(struct raw *raw, uint8_t code, const char *type);
void raw_begin_body(struct raw *raw);
void raw_end(struct raw *raw);

/* The pieces. A signature's length is one byte, also where it is too long for that. */
void raw_align(struct raw *raw, size_t boundary);
void raw_bytes(struct raw *raw, const void *bytes, size_t size);
void raw_u32(struct raw *raw, uint32_t value);
void raw_string(struct raw *raw, const char *text);
void raw_signature(struct raw *raw, const char *text);

/* Overwrites four bytes. */
void raw_store(struct raw *raw, size_t at, uint32_t value);
