/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A saved context, TPMS_CONTEXT (TPM 2.0 Library Part 2, clause 14.5): its clear fields. What is
 * in the sealed part only the TPM knows.
 */
#pragma once

#include "wire/bytes.h"

#include <stdbool.h>
#include <stddef.h>

/* Values of savedHandle for objects (Part 2, Table "savedHandle Values"). */
#define CONTEXT_OBJECT       UINT32_C(0x80000000) /* ordinary transient object */
#define CONTEXT_SEQUENCE     UINT32_C(0x80000001) /* sequence object */
#define CONTEXT_STCLEAR      UINT32_C(0x80000002) /* transient object with stClear set */
#define CONTEXT_HEADER_BYTES 18                   /* sequence, savedHandle, hierarchy, blob size */

struct tpms_context {
    uint64_t sequence;
    uint32_t saved_handle;
    uint32_t hierarchy; /* TPMI_RH_HIERARCHY */
};

/* Reads the context that fills `size` bytes. False when its blob's size field says another size. */
static inline bool tpms_context_parse(struct tpms_context *context, const uint8_t *bytes,
                                      size_t size)
{
    if (size < CONTEXT_HEADER_BYTES || load_be16(bytes + 16) != size - CONTEXT_HEADER_BYTES)
        return false;
    *context = (struct tpms_context){load_be64(bytes), load_be32(bytes + 8), load_be32(bytes + 12)};
    return true;
}
