/* SPDX-License-Identifier: BSD-2-Clause */
/* The desk's block of memory: a head, and the buffers behind it. For the files that write and read
 * it; a later daemon reads what an earlier one wrote, so it belongs to JOURNAL_VERSION. */
#pragma once

#include "rm/journal-records.h"

#include <stddef.h>
#include <sys/socket.h>

/* Buffers begin at multiples of this. */
#define DESK_ALIGN 64

/* Bytes of the buffer for replies: an answer that is a code alone, and one to a control frame. */
#define DESK_REPLY_SIZE 64

struct desk_head {
    uint32_t command, response; /* bytes of the longest ones */
    struct mmsghdr in, out;     /* msg_len: bytes that the kernel has moved */
    struct iovec in_part, out_part;
};

static inline size_t desk_round(size_t size)
{
    return (size + DESK_ALIGN - 1) / DESK_ALIGN * DESK_ALIGN;
}

/* Where each buffer begins; the bytes of the whole block. */
static inline size_t desk_lay_out(size_t at[DESK_KEPT], size_t command, size_t response)
{
    at[DESK_COMMAND] = desk_round(sizeof(struct desk_head));
    at[DESK_SCRATCH] = at[DESK_COMMAND] + desk_round(command);
    at[DESK_RESPONSE] = at[DESK_SCRATCH] + desk_round(command);
    at[DESK_REPLY] = at[DESK_RESPONSE] + desk_round(response);
    return at[DESK_REPLY] + DESK_REPLY_SIZE;
}
