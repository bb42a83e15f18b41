/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/endpoint.h"

#include "base/descriptors.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads before others in the main loop have their turn. */
#define ENDPOINT_BATCH 64

static gboolean endpoint_readable(gint fd, GIOCondition condition, gpointer data)
{
    struct endpoint *endpoint = data;

    (void)fd;
    (void)condition;
    for (unsigned i = 0; i < ENDPOINT_BATCH && endpoint_read(endpoint); i++)
        ;
    return G_SOURCE_CONTINUE;
}

static gboolean endpoint_writable(gint fd, GIOCondition condition, gpointer data)
{
    (void)fd;
    (void)condition;
    endpoint_flush(data);
    return G_SOURCE_CONTINUE;
}

static void endpoint_watch_for(guint *source, bool wanted, struct endpoint *endpoint,
                               GIOCondition condition, GUnixFDSourceFunc function)
{
    if (wanted && !*source)
        *source = g_unix_fd_add(endpoint->fd, condition, function, endpoint);
    if (wanted || !*source)
        return;
    g_source_remove(*source);
    *source = 0;
}

/* Has the main loop wait until the socket can be read, or written when messages wait. */
static void endpoint_watch(struct endpoint *endpoint)
{
    bool open = endpoint->fd >= 0;

    endpoint_watch_for(&endpoint->read_source, open && !endpoint->paused, endpoint, G_IO_IN,
                       endpoint_readable);
    endpoint_watch_for(&endpoint->write_source, open && endpoint->outbox.bytes > 0, endpoint,
                       G_IO_OUT, endpoint_writable);
}

void endpoint_init(struct endpoint *endpoint, int fd, uint8_t *buffer, size_t capacity,
                   const struct endpoint_events *events)
{
    *endpoint = (struct endpoint){.fd = fd, .events = *events};
    framing_init(&endpoint->framing, buffer, capacity);
    outbox_init(&endpoint->outbox, fd);
    endpoint_watch(endpoint);
}

void endpoint_drop_descriptors(struct endpoint *endpoint)
{
    for (unsigned i = 0; i < endpoint->count; i++)
        descriptors_close(endpoint->descriptors[i]);
    endpoint->count = 0;
}

void endpoint_close(struct endpoint *endpoint)
{
    int fd = endpoint->fd;

    endpoint->fd = -1;
    endpoint_watch(endpoint);
    endpoint_drop_descriptors(endpoint);
    outbox_clear(&endpoint->outbox);
    if (fd >= 0)
        descriptors_end(fd);
}

void endpoint_pause(struct endpoint *endpoint, bool paused)
{
    if (endpoint->paused == paused)
        return;
    endpoint->paused = paused;
    endpoint_watch(endpoint);
}

static void endpoint_keep_descriptors(struct endpoint *endpoint, const struct cmsghdr *part)
{
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
        if (endpoint->count < OUTBOX_FDS)
            endpoint->descriptors[endpoint->count++] = fd;
        else
            descriptors_close(fd);
    }
}

/* As recv(), with the descriptors that came along. */
static ssize_t endpoint_receive(struct endpoint *endpoint, uint8_t *into, size_t size)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * OUTBOX_FDS)];
    } control;
    struct iovec part = {.iov_base = into, .iov_len = size};
    struct msghdr header = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t got;

    do {
        got = recvmsg(endpoint->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item))
        if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
            endpoint_keep_descriptors(endpoint, item);
    return got;
}

bool endpoint_read(struct endpoint *endpoint)
{
    enum framing_event event;
    uint8_t *into;
    size_t want;
    ssize_t got;

    if (endpoint->fd < 0 || endpoint->paused)
        return false;
    want = framing_want(&endpoint->framing, &into);
    got = endpoint_receive(endpoint, into, want);
    if (got < 0 && errno == EAGAIN)
        return false;
    event = got > 0 ? framing_got(&endpoint->framing, (size_t)got) : FRAMING_BROKEN;
    if (event == FRAMING_BROKEN)
        endpoint->events.broken(endpoint->events.data);
    else if (event != FRAMING_MORE)
        endpoint->events.handle(endpoint->events.data, event);
    if (event != FRAMING_MORE || framing_skips(&endpoint->framing))
        endpoint_drop_descriptors(endpoint);
    return endpoint->fd >= 0;
}

/* Consumes the descriptors. */
static void endpoint_put(struct endpoint *endpoint, enum outbox_urgency urgency,
                         const uint8_t *bytes, size_t size, const int *fds, unsigned count)
{
    if (outbox_send(&endpoint->outbox, urgency, bytes, size, fds, count))
        endpoint_watch(endpoint);
    else
        endpoint->events.broken(endpoint->events.data);
}

void endpoint_send(struct endpoint *endpoint, enum outbox_urgency urgency, const uint8_t *bytes,
                   size_t size)
{
    if (endpoint->fd >= 0)
        endpoint_put(endpoint, urgency, bytes, size, NULL, 0);
}

void endpoint_pass(struct endpoint *from, struct endpoint *to)
{
    unsigned count = from->count;

    if (to->fd < 0)
        return;
    from->count = 0;
    endpoint_put(to, OUTBOX_URGENT, from->framing.buffer, from->framing.length, from->descriptors,
                 count);
}

void endpoint_flush(struct endpoint *endpoint)
{
    if (endpoint->fd < 0)
        return;
    if (outbox_flush(&endpoint->outbox)) {
        endpoint_watch(endpoint);
        endpoint->events.sent(endpoint->events.data);
    } else {
        endpoint->events.broken(endpoint->events.data);
    }
}
