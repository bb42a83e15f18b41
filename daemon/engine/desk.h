/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The desk: the buffers that clients' bytes stand in while the engine has them at hand, and the
 * messages by which these are received and sent. All of it is one block of memory, with the
 * kernel's counts of bytes in it: they tell how far a transfer came, whenever that is asked.
 *
 * Whatever is received comes to the start of a buffer, and is moved to where it waits from there.
 * Buffers are wiped when what they had is done with.
 */
#pragma once

#include "rm/journal-records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of the buffer for replies: an answer that is a code alone, and one to a control frame. */
#define DESK_REPLY_SIZE 64

struct desk_head;

struct desk {
    struct desk_head *head; /* the memory; the buffers are behind it */
    size_t capacity;        /* bytes of the longest command: of the command's buffer and scratch */
    uint8_t *bytes[DESK_KEPT];
    size_t used[DESK_KEPT]; /* bytes that are to be wiped, from the start on */
};

/* Makes the buffers for commands and answers of up to so many bytes. False without memory. */
bool desk_open(struct desk *desk, size_t command, size_t response);

/* Harmless for a desk that is all zero. */
void desk_close(struct desk *desk);

/*
 * Receives up to `size` bytes from a stream socket to the start of a buffer, the command's or
 * scratch; does not wait. With `look` nothing is received when descriptors come with it
 * (base/descriptors.h). The count, 0 at the end of the stream, or a negative errno.
 */
ssize_t desk_receive(struct desk *desk, int fd, enum desk_buffer buffer, size_t size, bool look);

/* Sends up to `size` bytes from the start of a buffer, or of DESK_KEPT those at `kept`. Does not
 * wait. The count, or a negative errno. */
ssize_t desk_send(struct desk *desk, int fd, enum desk_buffer buffer, uint8_t *kept, size_t size);

/* The first `size` bytes of a buffer are to be wiped too. */
void desk_use(struct desk *desk, enum desk_buffer buffer, size_t size);

/* Puts bytes at the start of a buffer. */
void desk_store(struct desk *desk, enum desk_buffer buffer, const uint8_t *bytes, size_t size);

/* Room for `size` bytes at the end of the reply that is to be sent next. */
uint8_t *desk_reply(struct desk *desk, size_t size);

/* Wipes a buffer. */
void desk_wipe(struct desk *desk, enum desk_buffer buffer);
