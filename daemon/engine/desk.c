/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/desk.h"

#include "base/descriptors.h"
#include "engine/desk-layout.h"
#include "rm/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t desk_bytes(size_t command, size_t response)
{
    size_t at[DESK_KEPT];

    return desk_lay_out(at, command, response);
}

bool desk_open(struct desk *desk, struct journal *journal, size_t command, size_t response)
{
    size_t at[DESK_KEPT], size = desk_lay_out(at, command, response);
    uint8_t *block = journal ? journal_desk(journal) : calloc(1, size);

    *desk = (struct desk){.journal = journal, .capacity = command};
    if (!block)
        return false;
    desk->head = (struct desk_head *)(void *)block;
    *desk->head = (struct desk_head){
        .command = (uint32_t)command,
        .response = (uint32_t)response,
        .in.msg_hdr = {.msg_iov = &desk->head->in_part, .msg_iovlen = 1},
        .out.msg_hdr = {.msg_iov = &desk->head->out_part, .msg_iovlen = 1},
    };
    for (unsigned i = 0; i < DESK_KEPT; i++)
        desk->bytes[i] = block + at[i];
    return true;
}

void desk_close(struct desk *desk)
{
    if (!desk->head)
        return;
    for (enum desk_buffer i = DESK_COMMAND; i < DESK_KEPT; i++)
        desk_wipe(desk, i);
    if (!desk->journal)
        free(desk->head);
    *desk = (struct desk){0};
}

/* Notes the receive or the send that is under way. */
static void desk_note(struct desk *desk, enum journal_kind kind, uint64_t cookie,
                      enum desk_buffer buffer, size_t size)
{
    const struct record_move move = {cookie, buffer, (uint32_t)size};

    journal_note_move(desk->journal, kind, &move);
}

/* None is. */
static void desk_note_none(struct desk *desk, enum journal_kind kind)
{
    desk_note(desk, kind, 0, DESK_COMMAND, 0);
}

void desk_commit(struct desk *desk)
{
    journal_commit(desk->journal);
    desk->head->in.msg_len = 0;
    desk->head->out.msg_len = 0;
    desk->sent = false;
}

void desk_settle(struct desk *desk)
{
    if (desk->sent || desk->head->in.msg_len)
        desk_commit(desk);
}

void desk_use(struct desk *desk, enum desk_buffer buffer, size_t size)
{
    if (desk->used[buffer] < size)
        desk->used[buffer] = size;
}

ssize_t desk_receive(struct desk *desk, int fd, uint64_t cookie, enum desk_buffer buffer,
                     size_t size, bool look)
{
    struct desk_head *head = desk->head;
    uint8_t *bytes = desk->bytes[buffer];
    int count;

    assert(buffer == DESK_COMMAND || buffer == DESK_SCRATCH);
    desk_settle(desk);
    if (look) {
        ssize_t there = descriptors_look(fd, bytes, size);

        if (there <= 0)
            return there < 0 ? -errno : 0;
        size = (size_t)there;
        desk_use(desk, buffer, size);
    }
    desk_note(desk, JOURNAL_IN, cookie, buffer, size);
    journal_commit(desk->journal);
    head->in_part = (struct iovec){bytes, size};
    do {
        count = recvmmsg(fd, &head->in, 1, MSG_DONTWAIT, NULL);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    desk_note_none(desk, JOURNAL_IN);
    desk_use(desk, buffer, head->in.msg_len);
    return head->in.msg_len;
}

ssize_t desk_send(struct desk *desk, int fd, uint64_t cookie, enum desk_buffer buffer,
                  uint8_t *kept, size_t size)
{
    struct desk_head *head = desk->head;
    int count;

    assert(!desk->sent);
    desk_note(desk, JOURNAL_OUT, cookie, buffer, size);
    journal_commit(desk->journal);
    desk->sent = true;
    head->out_part = (struct iovec){buffer == DESK_KEPT ? kept : desk->bytes[buffer], size};
    do {
        count = sendmmsg(fd, &head->out, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    count = count < 0 ? -errno : (int)head->out.msg_len;
    desk_note_none(desk, JOURNAL_OUT);
    return count;
}

void desk_take(struct desk *desk, uint64_t cookie, size_t size)
{
    const struct record_run run = {.cookie = cookie, .command = (uint32_t)size, .phase = RUN_TAKEN};

    journal_run(desk->journal, &run);
}

void desk_answer(struct desk *desk, size_t size)
{
    desk_use(desk, DESK_RESPONSE, size);
    journal_run_answered(desk->journal, size);
}

void desk_end_run(struct desk *desk)
{
    static const struct record_run none;

    journal_run(desk->journal, &none);
    desk_commit(desk);
    desk_wipe(desk, DESK_COMMAND);
    desk_wipe(desk, DESK_RESPONSE);
}

void desk_store(struct desk *desk, enum desk_buffer buffer, const uint8_t *bytes, size_t size)
{
    desk_settle(desk);
    memcpy(desk->bytes[buffer], bytes, size);
    desk_use(desk, buffer, size);
}

uint8_t *desk_reply(struct desk *desk, size_t size)
{
    uint8_t *at = desk->bytes[DESK_REPLY] + desk->used[DESK_REPLY];

    assert(size <= DESK_REPLY_SIZE - desk->used[DESK_REPLY]);
    desk->used[DESK_REPLY] += size;
    return at;
}

void desk_wipe(struct desk *desk, enum desk_buffer buffer)
{
    if (!desk->used[buffer])
        return;
    desk_settle(desk);
    explicit_bzero(desk->bytes[buffer], desk->used[buffer]);
    desk->used[buffer] = 0;
}
