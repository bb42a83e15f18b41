/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/desk.h"

#include "base/descriptors.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Buffers begin at multiples of this. */
#define DESK_ALIGN 64

/* At the start of the memory. */
struct desk_head {
    struct mmsghdr in, out;
    struct iovec in_part, out_part;
};

static size_t desk_round(size_t size)
{
    return (size + DESK_ALIGN - 1) / DESK_ALIGN * DESK_ALIGN;
}

/* The bytes of each buffer; in all, with the head. */
static size_t desk_sizes(size_t sizes[DESK_KEPT], size_t command, size_t response)
{
    size_t all = desk_round(sizeof(struct desk_head));

    sizes[DESK_COMMAND] = sizes[DESK_SCRATCH] = desk_round(command);
    sizes[DESK_RESPONSE] = desk_round(response);
    sizes[DESK_REPLY] = DESK_REPLY_SIZE;
    for (unsigned i = 0; i < DESK_KEPT; i++)
        all += sizes[i];
    return all;
}

bool desk_open(struct desk *desk, size_t command, size_t response)
{
    size_t sizes[DESK_KEPT], size = desk_sizes(sizes, command, response);
    uint8_t *at = calloc(1, size);

    *desk = (struct desk){.capacity = command};
    if (!at)
        return false;
    desk->head = (struct desk_head *)at;
    *desk->head = (struct desk_head){
        .in.msg_hdr = {.msg_iov = &desk->head->in_part, .msg_iovlen = 1},
        .out.msg_hdr = {.msg_iov = &desk->head->out_part, .msg_iovlen = 1},
    };
    at += desk_round(sizeof(struct desk_head));
    for (unsigned i = 0; i < DESK_KEPT; i++) {
        desk->bytes[i] = at;
        at += sizes[i];
    }
    return true;
}

void desk_close(struct desk *desk)
{
    for (enum desk_buffer i = DESK_COMMAND; i < DESK_KEPT; i++)
        desk_wipe(desk, i);
    free(desk->head);
    *desk = (struct desk){0};
}

void desk_use(struct desk *desk, enum desk_buffer buffer, size_t size)
{
    if (desk->used[buffer] < size)
        desk->used[buffer] = size;
}

ssize_t desk_receive(struct desk *desk, int fd, enum desk_buffer buffer, size_t size, bool look)
{
    struct desk_head *head = desk->head;
    uint8_t *bytes = desk->bytes[buffer];
    int count;

    assert(buffer == DESK_COMMAND || buffer == DESK_SCRATCH);
    if (look) {
        ssize_t there = descriptors_look(fd, bytes, size);

        if (there <= 0)
            return there < 0 ? -errno : 0;
        size = (size_t)there;
        desk_use(desk, buffer, size);
    }
    head->in.msg_len = 0;
    head->in_part = (struct iovec){bytes, size};
    do {
        count = recvmmsg(fd, &head->in, 1, MSG_DONTWAIT, NULL);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    desk_use(desk, buffer, head->in.msg_len);
    return head->in.msg_len;
}

ssize_t desk_send(struct desk *desk, int fd, enum desk_buffer buffer, uint8_t *kept, size_t size)
{
    struct desk_head *head = desk->head;
    int count;

    head->out.msg_len = 0;
    head->out_part = (struct iovec){buffer == DESK_KEPT ? kept : desk->bytes[buffer], size};
    do {
        count = sendmmsg(fd, &head->out, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (ssize_t)head->out.msg_len;
}

void desk_store(struct desk *desk, enum desk_buffer buffer, const uint8_t *bytes, size_t size)
{
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
    if (desk->used[buffer])
        explicit_bzero(desk->bytes[buffer], desk->used[buffer]);
    desk->used[buffer] = 0;
}
