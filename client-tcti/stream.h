/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connected socket as a stream of frames: TPM commands out; TPM responses, and on some
 * connections replies to control frames, in.
 *
 * Bytes that were taken off the socket before their frame was wanted, or before its buffer was
 * large enough, are held and come first when reading goes on. Asking for the size of a response
 * takes as few bytes off the socket as it can, so that the descriptor stays readable while a
 * response is there to be received.
 *
 * Every function returns a TSS2_RC of the TCTI layer: 0, TRY_AGAIN when the deadline came first and
 * nothing is lost, IO_ERROR, MALFORMED_RESPONSE or MEMORY. After the last three the stream is of no
 * more use.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tcti.h>

#include "journal.h"
#include "wire/control-frame.h"

/* No TPM answers with more; a response header that says more is not one. */
#define STREAM_MAX_RESPONSE UINT32_C(1048576)

struct stream {
    int fd;
    bool control;            /* replies to control frames may come */
    bool quiet;              /* who uses it says itself what goes wrong */
    struct journal *journal; /* of what is on its way, borrowed; NULL: nobody else needs to know */
    uint8_t *held;           /* `held_size` bytes, the first of them the first of a frame */
    size_t held_size;
    unsigned late_locality_replies; /* to set locality requests that were given up */
    atomic_uint commands;           /* that were sent; cancel reads it beside a receive */
};

/* Takes `fd` over. `control` says whether the peer knows control frames. */
void stream_init(struct stream *stream, int fd, bool control);

/* Closes the descriptor without a word to the peer, which a forked child may still talk to. Holds
 * for a stream of zero bytes with fd -1. */
void stream_close(struct stream *stream);

/* Makes a child forget the bytes of a response that its parent held. Their memory is not freed:
 * another thread of the parent may have been about to free it. */
void stream_forked(struct stream *stream);

/* Sends a command; never raises SIGPIPE. */
TSS2_RC stream_send(struct stream *stream, const uint8_t *command, size_t size);

/* A number that is another one once the next command is sent. In any thread. */
unsigned stream_command(const struct stream *stream);

/* Sends a request to cancel the command that was sent; no reply is waited for. In any thread. */
TSS2_RC stream_cancel(const struct stream *stream);

/* Stores the size of the next response to `*size`, and leaves the response where it is. */
TSS2_RC stream_response_size(struct stream *stream, size_t *size, int64_t deadline);

/* Moves the next response, whose size stream_response_size() gave, to `response`. */
TSS2_RC stream_response_take(struct stream *stream, uint8_t *response, size_t size,
                             int64_t deadline);

/*
 * Receives the next response with one system call, if it is there and fits `room` bytes. Returns 0
 * with the size in `*size`; 0 with `*size` 0 when the two functions above have to receive it; or an
 * error. `response` is scratch space until then.
 */
TSS2_RC stream_response_quick(struct stream *stream, uint8_t *response, size_t room, size_t *size,
                              int64_t deadline);

/*
 * Sends a request of `operation`, which is not cancel, waits for its reply and stores the reply's
 * rc. `locality` is looked at for CONTROL_FRAME_SET_LOCALITY only. A reply that the peer sent
 * before the request, and then closed, counts. No command may be outstanding: a response that comes
 * instead is MALFORMED_RESPONSE.
 */
TSS2_RC stream_request(struct stream *stream, enum control_frame_operation operation,
                       uint8_t locality, uint32_t *rc, int64_t deadline);
