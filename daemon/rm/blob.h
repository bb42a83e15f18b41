/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of one saved context (TPMS_CONTEXT), owned. Empty: bytes NULL, size 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    uint8_t *bytes;
    size_t size;
    uint32_t line; /* of the journal's extent with these bytes; 0: none has them yet */
};

static inline bool blob_empty(const struct blob *blob)
{
    return blob->bytes == NULL;
}

/* Wipes and frees. */
static inline void blob_clear(struct blob *blob)
{
    if (blob->bytes)
        explicit_bzero(blob->bytes, blob->size);
    free(blob->bytes);
    *blob = (struct blob){0};
}

/* Replaces the content by a copy of `size` bytes. False, and nothing changed, without memory. */
static inline bool blob_set(struct blob *blob, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return false;
    memcpy(copy, bytes, size);
    blob_clear(blob);
    *blob = (struct blob){.bytes = copy, .size = size};
    return true;
}

/* Gives the content of `from`, which is left empty, to `to`. */
static inline void blob_move(struct blob *to, struct blob *from)
{
    blob_clear(to);
    *to = *from;
    *from = (struct blob){0};
}

/* Compares the whole length in a time that does not depend on where the bytes differ. */
static inline bool blob_equal(const struct blob *blob, const uint8_t *bytes, size_t size)
{
    uint8_t difference = 0;

    if (blob_empty(blob) || blob->size != size)
        return false;
    for (size_t i = 0; i < size; i++)
        difference |= (uint8_t)(blob->bytes[i] ^ bytes[i]);
    return difference == 0;
}
