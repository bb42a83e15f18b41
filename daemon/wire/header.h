/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ten bytes that every TPM command and response starts with: tag, size of the whole, and a
 * command code or a response code (TPM 2.0 Library Part 1, "Command/Response Header").
 */
#pragma once

#include "wire/bytes.h"

#include <stddef.h>

#define HEADER_SIZE 10

struct header {
    uint16_t tag;
    uint32_t size; /* of the whole command or response, these ten bytes included */
    uint32_t code;
};

/* Reads the header at `bytes`, of which at least HEADER_SIZE must be there. Checks nothing. */
static inline struct header header_load(const uint8_t *bytes)
{
    return (struct header){load_be16(bytes), load_be32(bytes + 2), load_be32(bytes + 6)};
}

/* Writes HEADER_SIZE bytes. */
static inline void header_store(uint8_t *bytes, uint16_t tag, uint32_t size, uint32_t code)
{
    store_be16(bytes, tag);
    store_be32(bytes + 2, size);
    store_be32(bytes + 6, code);
}
