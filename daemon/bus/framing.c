/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/framing.h"

#include "bus/message.h"

void framing_init(struct framing *framing, uint8_t *buffer, size_t capacity)
{
    *framing = (struct framing){.buffer = buffer, .capacity = capacity};
}

void framing_begin_messages(struct framing *framing)
{
    framing->messages = true;
    framing->have = 0;
}

bool framing_skips(const struct framing *framing)
{
    return framing->skip > 0;
}

static size_t framing_min(size_t one, size_t other)
{
    return one < other ? one : other;
}

size_t framing_want(const struct framing *framing, uint8_t **into)
{
    *into = framing->buffer;
    if (framing->skip > 0)
        return framing_min(framing->skip, framing->capacity);
    *into = framing->buffer + framing->have;
    /* A line does not say its length, so it is read byte by byte, to its end and no further. */
    if (!framing->messages)
        return 1;
    if (framing->have < MESSAGE_HEAD_SIZE)
        return MESSAGE_HEAD_SIZE - framing->have;
    return framing_min(framing->size, framing->capacity) - framing->have;
}

/* What is in the buffer is whole. */
static enum framing_event framing_finish(struct framing *framing, enum framing_event event)
{
    framing->length = framing->have;
    framing->have = 0;
    return event;
}

static enum framing_event framing_got_line(struct framing *framing)
{
    if (framing->buffer[framing->have - 1] == '\n')
        return framing_finish(framing, FRAMING_LINE);
    return framing->have == framing->capacity ? FRAMING_BROKEN : FRAMING_MORE;
}

enum framing_event framing_got(struct framing *framing, size_t count)
{
    if (framing->skip > 0) {
        framing->skip -= count;
        return FRAMING_MORE;
    }
    framing->have += count;
    if (!framing->messages)
        return framing_got_line(framing);
    if (framing->have < MESSAGE_HEAD_SIZE)
        return FRAMING_MORE;
    if (framing->have == MESSAGE_HEAD_SIZE) {
        framing->size = message_size(framing->buffer);
        if (framing->size == 0)
            return FRAMING_BROKEN;
    }
    if (framing->have == framing->size)
        return framing_finish(framing, FRAMING_MESSAGE);
    if (framing->have < framing->capacity)
        return FRAMING_MORE;
    framing->skip = framing->size - framing->capacity;
    return framing_finish(framing, FRAMING_OVERSIZE);
}
