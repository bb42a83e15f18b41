/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/client-io.h"

#include "base/descriptors.h"
#include "wire/control-frame.h"
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of control frames that may stand behind a command that is pulled in. */
#define CLIENT_IO_BEHIND_MAX (4 * (size_t)CONTROL_FRAME_MAX_REQUEST)

/* Half of the kernel's memory for unread answers of one client: room for some 60 short answers. The
 * kernel's memory is charged to the daemon, and its default is four times as much. */
#define CLIENT_IO_SEND_BUFFER 24576

void client_io_init(struct client_io *io, int fd, struct desk *desk)
{
    const int send_buffer = CLIENT_IO_SEND_BUFFER;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
    *io = (struct client_io){.desk = desk, .fd = fd, .bytes_only = descriptors_are_refused(fd)};
}

static void client_io_buffer_free(struct client_io_buffer *buffer)
{
    if (buffer->bytes)
        explicit_bzero(buffer->bytes, buffer->capacity);
    free(buffer->bytes);
    *buffer = (struct client_io_buffer){0};
}

void client_io_clear(struct client_io *io)
{
    client_io_buffer_free(&io->in);
    client_io_buffer_free(&io->out);
    if (io->fd >= 0)
        descriptors_end(io->fd);
    io->fd = -1;
}

/* Makes `capacity` bytes of room, with the kept bytes at the front. Not by realloc(), which would
 * leave a copy of the bytes behind in freed memory. */
static bool client_io_buffer_room(struct client_io_buffer *buffer, size_t capacity)
{
    size_t used = buffer->end - buffer->start;
    uint8_t *bytes;

    if (buffer->start == 0 && buffer->capacity >= capacity)
        return true;
    bytes = malloc(capacity > used ? capacity : used);
    if (!bytes)
        return false;
    if (used)
        memcpy(bytes, buffer->bytes + buffer->start, used);
    client_io_buffer_free(buffer);
    *buffer = (struct client_io_buffer){bytes, 0, used, capacity > used ? capacity : used};
    return true;
}

/* Puts bytes behind those that are there, with room for `capacity` in all. */
static bool client_io_buffer_append(struct client_io_buffer *buffer, const uint8_t *bytes,
                                    size_t size, size_t capacity)
{
    size_t used = buffer->end - buffer->start;

    if (!client_io_buffer_room(buffer, capacity > used + size ? capacity : used + size))
        return false;
    memcpy(buffer->bytes + buffer->end, bytes, size);
    buffer->end += size;
    return true;
}

/* Forgets `size` bytes `at` bytes behind the first that counts. */
static void client_io_buffer_cut(struct client_io_buffer *buffer, size_t at, size_t size)
{
    uint8_t *bytes = buffer->bytes + buffer->start;

    if (at == 0) {
        explicit_bzero(bytes, size);
        buffer->start += size;
    } else {
        memmove(bytes + at, bytes + at + size, buffer->end - buffer->start - at - size);
        buffer->end -= size;
    }
    if (buffer->start == buffer->end)
        client_io_buffer_free(buffer);
}

/* frame_look() for this client: a control frame is shorter than a command may be. */
static enum frame_state client_io_look(const struct client_io *io, const uint8_t *bytes,
                                       size_t have, size_t *size)
{
    size_t max = io->desk->capacity;

    if (io->control && have >= sizeof(uint16_t) && control_frame_is(bytes))
        max = CONTROL_FRAME_MAX_REQUEST;
    return frame_look(bytes, have, max, size);
}

static enum frame_state client_io_look_kept(const struct client_io *io, size_t *size)
{
    return client_io_look(io, io->in.bytes + io->in.start, io->in.end - io->in.start, size);
}

/* As desk_receive(). */
static ssize_t client_io_receive(struct client_io *io, enum desk_buffer buffer, size_t size)
{
    ssize_t count = desk_receive(io->desk, io->fd, buffer, size, !io->bytes_only);

    /* A stream socket gives less than was asked for only when it has no more bytes, or only its
     * end. */
    io->maybe_more = count == (ssize_t)size || count == 0 || io->ended;
    return count;
}

static enum client_io_status client_io_receive_status(const struct client_io *io, ssize_t count)
{
    if (count == -EAGAIN)
        return CLIENT_IO_AGAIN;
    if (count == 0 && io->in.end != io->in.start)
        return CLIENT_IO_BAD;
    return CLIENT_IO_CLOSED;
}

/* Goes on with a frame whose start was kept. Nothing behind its end is read. */
static enum client_io_status client_io_read_on(struct client_io *io, enum desk_buffer buffer,
                                               size_t *size)
{
    uint8_t *bytes = io->desk->bytes[buffer];
    struct client_io_buffer *in = &io->in;

    for (;;) {
        size_t have = in->end - in->start;
        ssize_t count;

        switch (client_io_look_kept(io, size)) {
        case FRAME_BAD:
            return CLIENT_IO_BAD;
        case FRAME_WHOLE:
            desk_store(io->desk, buffer, in->bytes + in->start, *size);
            client_io_buffer_cut(in, 0, *size);
            return CLIENT_IO_FRAME;
        case FRAME_PARTIAL:
            break;
        }
        count = client_io_receive(io, buffer, *size - have);
        if (count <= 0)
            return client_io_receive_status(io, count);
        if (!client_io_buffer_append(in, bytes, (size_t)count, *size))
            return CLIENT_IO_MEMORY;
    }
}

/* Reads the start of the stream, of which nothing was kept. */
static enum client_io_status client_io_read_first(struct client_io *io, enum desk_buffer buffer,
                                                  size_t *size)
{
    ssize_t count = client_io_receive(io, buffer, io->desk->capacity);
    const uint8_t *bytes = io->desk->bytes[buffer];
    size_t need = 0, have = (size_t)count;

    if (count <= 0)
        return client_io_receive_status(io, count);
    switch (client_io_look(io, bytes, have, size)) {
    case FRAME_BAD:
        return CLIENT_IO_BAD;
    case FRAME_PARTIAL:
        if (!client_io_buffer_append(&io->in, bytes, have, *size))
            return CLIENT_IO_MEMORY;
        return CLIENT_IO_AGAIN;
    case FRAME_WHOLE:
        break;
    }
    if (have == *size)
        return CLIENT_IO_FRAME;
    /* The bytes behind the frame may be the start of a command of any length. */
    client_io_look(io, bytes + *size, have - *size, &need);
    if (!client_io_buffer_append(&io->in, bytes + *size, have - *size, need))
        return CLIENT_IO_MEMORY;
    return CLIENT_IO_FRAME;
}

enum client_io_status client_io_read(struct client_io *io, enum desk_buffer buffer, size_t *size)
{
    enum client_io_status status =
        io->in.bytes ? client_io_read_on(io, buffer, size) : client_io_read_first(io, buffer, size);

    if (status != CLIENT_IO_FRAME)
        desk_wipe(io->desk, buffer);
    return status;
}

const uint8_t *client_io_ahead(struct client_io *io, size_t *have)
{
    struct client_io_buffer *in = &io->in;
    size_t used = in->end - in->start;

    if (io->maybe_more && used < CLIENT_IO_AHEAD && client_io_buffer_room(in, CLIENT_IO_AHEAD)) {
        ssize_t count = client_io_receive(io, DESK_SCRATCH, CLIENT_IO_AHEAD - used);

        if (count > 0)
            client_io_buffer_append(in, io->desk->bytes[DESK_SCRATCH], (size_t)count, 0);
        if (in->start == in->end)
            client_io_buffer_free(in);
        desk_wipe(io->desk, DESK_SCRATCH);
    }
    *have = in->end - in->start;
    return *have ? in->bytes + in->start : NULL;
}

bool client_io_readable(const struct client_io *io)
{
    size_t size;

    return io->maybe_more || (io->in.bytes && client_io_look_kept(io, &size) != FRAME_PARTIAL);
}

int client_io_pull(struct client_io *io)
{
    size_t most = io->desk->capacity + CLIENT_IO_BEHIND_MAX, have = io->in.end - io->in.start;
    size_t room = most - have;
    ssize_t count;
    int error = 0;

    if (!io->maybe_more || have >= most)
        return 0;
    count =
        client_io_receive(io, DESK_SCRATCH, room < io->desk->capacity ? room : io->desk->capacity);
    if (count == 0)
        io->ended = true;
    else if (count < 0)
        error = count == -EAGAIN ? 0 : (int)count;
    else if (!client_io_buffer_append(&io->in, io->desk->bytes[DESK_SCRATCH], (size_t)count,
                                      2 * have))
        error = -ENOMEM;
    desk_wipe(io->desk, DESK_SCRATCH);
    return error;
}

enum client_io_place client_io_take_control(struct client_io *io, bool behind, uint8_t *frame,
                                            size_t *size)
{
    size_t have = io->in.end - io->in.start, at = 0;
    const uint8_t *bytes;

    if (!io->in.bytes || client_io_look_kept(io, size) != FRAME_WHOLE)
        return CLIENT_IO_NOWHERE;
    bytes = io->in.bytes + io->in.start;
    if (!control_frame_is(bytes)) {
        at = *size;
        if (!behind || have - at < HEADER_SIZE || !control_frame_is(bytes + at)
            || client_io_look(io, bytes + at, have - at, size) != FRAME_WHOLE)
            return CLIENT_IO_NOWHERE;
    }
    memcpy(frame, bytes + at, *size);
    client_io_buffer_cut(&io->in, at, *size);
    return at ? CLIENT_IO_BEHIND : CLIENT_IO_FRONT;
}

int client_io_send(struct client_io *io, enum desk_buffer buffer, size_t size)
{
    ssize_t count =
        client_io_sending(io) ? -EAGAIN : desk_send(io->desk, io->fd, buffer, NULL, size);

    if (count == -EAGAIN)
        count = 0;
    if (count < 0)
        return (int)count;
    if ((size_t)count == size)
        return 0;
    return client_io_buffer_append(&io->out, io->desk->bytes[buffer] + count, size - (size_t)count,
                                   0)
               ? 0
               : -ENOMEM;
}

int client_io_flush(struct client_io *io)
{
    struct client_io_buffer *out = &io->out;

    while (client_io_sending(io)) {
        ssize_t count =
            desk_send(io->desk, io->fd, DESK_KEPT, out->bytes + out->start, out->end - out->start);

        if (count < 0)
            return count == -EAGAIN ? 0 : (int)count;
        client_io_buffer_cut(out, 0, (size_t)count);
    }
    return 0;
}
