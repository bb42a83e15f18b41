/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The desk: the buffers that clients' bytes stand in while the engine has them at hand, and the
 * messages by which these are received and sent. All of it is one block of memory, with the
 * kernel's counts of bytes in it: they tell how far a transfer came, whenever that is asked.
 *
 * With a journal the block is part of its memory, and what is under way is noted and committed
 * before it begins: the receive, the send, and the command at hand. So at each instant the block,
 * the journal and the sockets have each byte of each client once (desk-remains.h). That rests on
 * three rules:
 *
 * - Bytes that were received stay in their buffer until a commit has them somewhere else, and bytes
 *   that are to be sent until a commit says that they are not: desk_settle() comes before a buffer
 *   is changed, as it does in all functions here.
 * - A commit may come with each of these functions. What belongs together is noted between two.
 * - After desk_send() desk_settle() follows when what was not sent is kept, or not wanted.
 */
#pragma once

#include "rm/journal-records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct desk_head;
struct journal;

struct desk {
    struct journal *journal; /* borrowed; NULL: nothing is kept */
    struct desk_head *head;  /* the memory; the buffers are behind it */
    size_t capacity;         /* bytes of the longest command: of the command's buffer and scratch */
    uint8_t *bytes[DESK_KEPT];
    size_t used[DESK_KEPT]; /* bytes that are to be wiped, from the start on */
    bool sent;              /* since the last desk_settle() */
};

/* The bytes that a journal needs for the desk (journal_config.desk), with the same arguments. */
size_t desk_bytes(size_t command, size_t response);

/* Makes the buffers for commands and answers of up to so many bytes, in the journal if there is
 * one. False without memory. */
bool desk_open(struct desk *desk, struct journal *journal, size_t command, size_t response);

/* Harmless for a desk that is all zero. */
void desk_close(struct desk *desk);

/*
 * Receives up to `size` bytes from a stream socket to the start of a buffer, the command's or
 * scratch; does not wait. `cookie` names the connection. With `look` nothing is received when
 * descriptors come with it (base/descriptors.h). The count, 0 at the end of the stream, or a
 * negative errno.
 */
ssize_t desk_receive(struct desk *desk, int fd, uint64_t cookie, enum desk_buffer buffer,
                     size_t size, bool look);

/* Sends up to `size` bytes from the start of a buffer, or of DESK_KEPT those at `kept`, which are
 * all that is kept of the connection's output. Does not wait. The count, or a negative errno. */
ssize_t desk_send(struct desk *desk, int fd, uint64_t cookie, enum desk_buffer buffer,
                  uint8_t *kept, size_t size);

/* Commits, if anything was received or sent since. */
void desk_settle(struct desk *desk);

/* Commits what is noted, if anything is. */
void desk_commit(struct desk *desk);

/* The command at hand: `size` bytes in the command's buffer, which stay as they are; then its
 * answer, `size` bytes in the response's buffer; then nothing, and both are wiped. */
void desk_take(struct desk *desk, uint64_t cookie, size_t size);
void desk_answer(struct desk *desk, size_t size);
void desk_end_run(struct desk *desk);

/* The first `size` bytes of a buffer are to be wiped too. */
void desk_use(struct desk *desk, enum desk_buffer buffer, size_t size);

/* Puts bytes at the start of a buffer. */
void desk_store(struct desk *desk, enum desk_buffer buffer, const uint8_t *bytes, size_t size);

/* Room for `size` bytes at the end of the reply that is to be sent next. */
uint8_t *desk_reply(struct desk *desk, size_t size);

/* Wipes a buffer. */
void desk_wipe(struct desk *desk, enum desk_buffer buffer);
