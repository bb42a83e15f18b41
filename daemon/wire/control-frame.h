/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control frames: what a client says to the daemon itself over the socket that also carries its
 * TPM commands. They exist on connections to the daemon's listening socket only; a connection that
 * D-Bus handed out carries TPM commands and nothing else, and has D-Bus methods for the same.
 *
 * A frame starts as a TPM command does, so that one framing serves both: tag, size of the whole,
 * and the operation where a command has its code. The tag is none that a TPM knows (TPM 2.0
 * Library Part 2, Table "TPM_ST Constants", has 0x00C4 and 0x8000 upward), so its first two bytes
 * tell a control frame from a command and a control reply from a response.
 *
 *   request   tag 0x7AB0 | u32 size | u32 operation | argument
 *     hello         size 10  may this connection be used? Sent first, if at all
 *     cancel        size 10  cancel this connection's command
 *     set locality  size 11  u8 locality, in force from this connection's next command on
 *   reply     tag 0x7AB0 | u32 size = 14 | u32 operation of the request | u32 rc
 *
 * All integers are big-endian. Each request gets exactly one reply, in the order of the requests.
 * The response to a command has no place in that order: the reply to a cancel may come before or
 * after the response to the command that it cancels. Frames are never inside one another.
 *
 * `rc` is 0 or a TSS2_RC of the TCTI layer: BAD_SEQUENCE (0xA0007: nothing to cancel, or a locality
 * while a command is outstanding), BAD_VALUE (0xA000B: no such locality, or a size that does not
 * fit the operation), NOT_PERMITTED (0xA000C), NOT_IMPLEMENTED (0xA0002: unknown operation, or the
 * TPM's connection cannot do it), NO_CONNECTION (0xA0008: hello only, the daemon takes no more
 * connections). A client takes NOT_IMPLEMENTED for a hello as welcome.
 *
 * A daemon answers while a command of this or another client runs. It closes the connection after
 * a control frame whose size is under 10 or over CONTROL_FRAME_MAX_REQUEST, and after a refused
 * hello.
 */
#pragma once

#include "wire/header.h"

#include <stdbool.h>

#define CONTROL_FRAME_TAG         UINT16_C(0x7AB0)
#define CONTROL_FRAME_MAX_REQUEST (HEADER_SIZE + 1)
#define CONTROL_FRAME_REPLY_SIZE  (HEADER_SIZE + 4)

enum control_frame_operation {
    CONTROL_FRAME_HELLO = 0,
    CONTROL_FRAME_CANCEL = 1,
    CONTROL_FRAME_SET_LOCALITY = 2,
};

/* Whether the frame at `bytes`, of which two at least must be there, is a control frame. */
static inline bool control_frame_is(const uint8_t *bytes)
{
    return load_be16(bytes) == CONTROL_FRAME_TAG;
}

/* The size that a request of this operation has, or 0 for an operation that does not exist. */
static inline size_t control_frame_request_size(uint32_t operation)
{
    return operation == CONTROL_FRAME_SET_LOCALITY                                 ? HEADER_SIZE + 1
           : operation == CONTROL_FRAME_HELLO || operation == CONTROL_FRAME_CANCEL ? HEADER_SIZE
                                                                                   : 0;
}

/* Writes a request to the CONTROL_FRAME_MAX_REQUEST bytes at `out` and returns its size. `locality`
 * is looked at for CONTROL_FRAME_SET_LOCALITY only. */
static inline size_t
control_frame_request_store(uint8_t *out, enum control_frame_operation operation, uint8_t locality)
{
    size_t size = control_frame_request_size(operation);

    header_store(out, CONTROL_FRAME_TAG, (uint32_t)size, operation);
    if (size > HEADER_SIZE)
        out[HEADER_SIZE] = locality;
    return size;
}

/* Writes the CONTROL_FRAME_REPLY_SIZE bytes of the reply to a request of `operation`. */
static inline void control_frame_reply_store(uint8_t *out, uint32_t operation, uint32_t rc)
{
    header_store(out, CONTROL_FRAME_TAG, CONTROL_FRAME_REPLY_SIZE, operation);
    store_be32(out + HEADER_SIZE, rc);
}
