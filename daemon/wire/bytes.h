/* SPDX-License-Identifier: BSD-2-Clause */
/* Big-endian integers in byte buffers, as TPM 2.0 Library Part 1, clause "Conventions", has them.
 */
#pragma once

#include <stdint.h>

static inline uint16_t load_be16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline uint32_t load_be32(const uint8_t *bytes)
{
    return (uint32_t)load_be16(bytes) << 16 | load_be16(bytes + 2);
}

static inline uint64_t load_be64(const uint8_t *bytes)
{
    return (uint64_t)load_be32(bytes) << 32 | load_be32(bytes + 4);
}

static inline void store_be16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void store_be32(uint8_t *bytes, uint32_t value)
{
    store_be16(bytes, (uint16_t)(value >> 16));
    store_be16(bytes + 2, (uint16_t)value);
}

static inline void store_be64(uint8_t *bytes, uint64_t value)
{
    store_be32(bytes, (uint32_t)(value >> 32));
    store_be32(bytes + 4, (uint32_t)value);
}
