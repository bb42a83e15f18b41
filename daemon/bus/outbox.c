/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/outbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct outbox_parcel {
    size_t size, sent;
    unsigned count;
    int *fds; /* `count` of them, not sent yet */
    uint8_t bytes[];
};

static void outbox_close(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void outbox_parcel_free(gpointer data)
{
    struct outbox_parcel *parcel = data;

    if (!parcel)
        return;
    outbox_close(parcel->fds, parcel->count);
    g_free(parcel->fds);
    g_free(parcel);
}

void outbox_init(struct outbox *outbox, int fd)
{
    *outbox = (struct outbox){.fd = fd};
    for (unsigned i = 0; i < OUTBOX_URGENCIES; i++)
        g_queue_init(&outbox->waiting[i]);
}

void outbox_clear(struct outbox *outbox)
{
    outbox_parcel_free(outbox->begun);
    for (unsigned i = 0; i < OUTBOX_URGENCIES; i++)
        g_queue_clear_full(&outbox->waiting[i], outbox_parcel_free);
    outbox->begun = NULL;
    outbox->bytes = 0;
}

/* Bytes that the socket took; 0 when it has no room, -1 when it is broken. */
static ssize_t outbox_write(int fd, const uint8_t *bytes, size_t size, const int *fds,
                            unsigned count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * OUTBOX_FDS)];
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (count > 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int) * count),
            .cmsg_level = SOL_SOCKET,
            .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * count);
    }
    do {
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    /* ETOOMANYREFS: too many descriptors are in flight, until their receivers take them. */
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS))
        return 0;
    return sent;
}

static struct outbox_parcel *outbox_next(struct outbox *outbox)
{
    if (outbox->begun)
        return outbox->begun;
    for (unsigned i = 0; i < OUTBOX_URGENCIES && !outbox->begun; i++)
        outbox->begun = g_queue_pop_head(&outbox->waiting[i]);
    return outbox->begun;
}

/* The descriptors went with the first byte. */
static void outbox_took(struct outbox *outbox, struct outbox_parcel *parcel, size_t sent)
{
    outbox_close(parcel->fds, parcel->count);
    parcel->count = 0;
    parcel->sent += sent;
    outbox->bytes -= sent;
    if (parcel->sent < parcel->size)
        return;
    outbox->begun = NULL;
    outbox_parcel_free(parcel);
}

bool outbox_flush(struct outbox *outbox)
{
    struct outbox_parcel *parcel;

    while ((parcel = outbox_next(outbox))) {
        ssize_t sent = outbox_write(outbox->fd, parcel->bytes + parcel->sent,
                                    parcel->size - parcel->sent, parcel->fds, parcel->count);

        if (sent <= 0)
            return sent == 0;
        outbox_took(outbox, parcel, (size_t)sent);
    }
    return true;
}

/* Keeps what is left of a message after `sent` bytes. */
static void outbox_keep(struct outbox *outbox, enum outbox_urgency urgency, const uint8_t *bytes,
                        size_t size, const int *fds, unsigned count, size_t sent)
{
    struct outbox_parcel *parcel = g_malloc(sizeof(*parcel) + size);

    *parcel = (struct outbox_parcel){.size = size, .sent = sent, .count = count};
    parcel->fds = g_memdup2(fds, sizeof(int) * count);
    memcpy(parcel->bytes, bytes, size);
    outbox->bytes += size - sent;
    if (sent > 0)
        outbox->begun = parcel;
    else
        g_queue_push_tail(&outbox->waiting[urgency], parcel);
}

bool outbox_send(struct outbox *outbox, enum outbox_urgency urgency, const uint8_t *bytes,
                 size_t size, const int *fds, unsigned count)
{
    ssize_t sent = 0;

    if (outbox->bytes == 0)
        sent = outbox_write(outbox->fd, bytes, size, fds, count);
    if (sent != 0) {
        outbox_close(fds, count);
        count = 0;
    }
    if (sent >= 0 && (size_t)sent < size)
        outbox_keep(outbox, urgency, bytes, size, fds, count, (size_t)sent);
    return sent >= 0;
}
