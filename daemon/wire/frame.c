/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire/frame.h"

#include "wire/header.h"

/* The tag and the size field. */
#define FRAME_SIZE_FIELD_END 6

enum frame_state frame_look(const uint8_t *bytes, size_t have, size_t max, size_t *size)
{
    uint32_t said;

    *size = HEADER_SIZE;
    if (have < FRAME_SIZE_FIELD_END)
        return FRAME_PARTIAL;
    said = load_be32(bytes + 2);
    if (said < HEADER_SIZE || said > max)
        return FRAME_BAD;
    *size = said;
    return have < said ? FRAME_PARTIAL : FRAME_WHOLE;
}
