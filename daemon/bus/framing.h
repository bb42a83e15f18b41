/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction of a D-Bus connection, taken apart: lines of the authentication, then messages.
 * It holds one of either at a time, and of a message that is larger than the buffer only its
 * beginning; the rest is counted and not kept. It reads no descriptor: framing_want() says where
 * the next bytes go and how many at most, which never reaches beyond the line or message that is
 * under way, and framing_got() takes note of them. Bytes may come in pieces of any size. So
 * descriptors that came with bytes belong to the message that these are of. Pure; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing_event {
    FRAMING_MORE,     /* nothing is whole yet */
    FRAMING_LINE,     /* `length` bytes of the buffer are a line, with its end */
    FRAMING_MESSAGE,  /* `length` bytes of the buffer are a message */
    FRAMING_OVERSIZE, /* `length` bytes of the buffer begin a message of `size`, whose rest will be
                         skipped */
    FRAMING_BROKEN,   /* no D-Bus: a line that is too long, or bytes that begin no message */
};

struct framing {
    uint8_t *buffer;
    size_t capacity;
    bool messages;       /* lines are over */
    size_t have;         /* bytes of what is under way, in the buffer */
    size_t skip;         /* bytes to come of a message that does not fit */
    size_t length, size; /* of the event's bytes, and of its message */
};

/* Starts with lines. Borrows the buffer; its capacity is a message's head (16) at the least. */
void framing_init(struct framing *framing, uint8_t *buffer, size_t capacity);

/* What comes next is a message; called between two lines. */
void framing_begin_messages(struct framing *framing);

/* Where the next bytes go; how many may, never 0. What the last event had in the buffer is gone
 * then. */
size_t framing_want(const struct framing *framing, uint8_t **into);

/* `count` bytes were put there. */
enum framing_event framing_got(struct framing *framing, size_t count);

/* True while the rest of a message that does not fit is skipped. */
bool framing_skips(const struct framing *framing);
