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

bool client_io_open(struct client_io *io)
{
    struct journal *journal = io->desk->journal;

    if (!journal)
        return true;
    io->cookie = descriptors_cookie(io->fd);
    return journal_open(journal, &io->mark, JOURNAL_CONNECTION);
}

static uint32_t client_io_keep(struct client_io *io, unsigned which,
                               struct client_io_buffer *buffer)
{
    const uint8_t *bytes = buffer->bytes ? buffer->bytes + buffer->start : NULL;

    return journal_keep(io->desk->journal, &io->mark, which, &buffer->line, bytes,
                        buffer->end - buffer->start);
}

void client_io_note(struct client_io *io, struct record_connection *record)
{
    record->cookie = io->cookie;
    record->in = client_io_keep(io, 0, &io->in);
    record->out = client_io_keep(io, 1, &io->out);
    record->in_gone = io->in.gone;
    record->out_gone = io->out.gone;
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
    journal_close(io->desk->journal, &io->mark);
}

/* Makes `capacity` bytes of room, with the kept bytes at the front. Not by realloc(), which would
 * leave a copy of the bytes behind in freed memory. */
static bool client_io_buffer_room(struct client_io_buffer *buffer, size_t capacity)
{
    size_t used = buffer->end - buffer->start;
    struct client_io_buffer moved = {.end = used, .line = buffer->line, .gone = buffer->gone};
    uint8_t *bytes;

    if (buffer->start == 0 && buffer->capacity >= capacity)
        return true;
    bytes = malloc(capacity > used ? capacity : used);
    if (!bytes)
        return false;
    if (used)
        memcpy(bytes, buffer->bytes + buffer->start, used);
    client_io_buffer_free(buffer);
    moved.bytes = bytes;
    moved.capacity = capacity > used ? capacity : used;
    *buffer = moved;
    return true;
}

/* Claims room in the journal for so many bytes of the buffer. */
static bool client_io_claim(struct client_io *io, const struct client_io_buffer *buffer,
                            size_t size)
{
    return journal_claim(io->desk->journal, &io->mark, buffer == &io->out, size);
}

/* Nothing waits in the buffer any more. */
static void client_io_empty(struct client_io *io, struct client_io_buffer *buffer)
{
    client_io_buffer_free(buffer);
    client_io_claim(io, buffer, 0);
}

/* The bytes of a buffer are others than those of its extent. */
static void client_io_changed(struct client_io *io, struct client_io_buffer *buffer)
{
    buffer->line = buffer->gone = 0;
    journal_touch(io->desk->journal, &io->mark);
}

/* Takes care that `size` more bytes can be kept, with room for `capacity` in all. */
static bool client_io_room(struct client_io *io, struct client_io_buffer *buffer, size_t size,
                           size_t capacity)
{
    size_t used = buffer->end - buffer->start;

    return client_io_claim(io, buffer, used + size)
           && client_io_buffer_room(buffer, capacity > used + size ? capacity : used + size);
}

/* Puts bytes behind those that are there, with room for `capacity` in all. The journal gets all of
 * them anew: some 3,000 instructions for the longest command, a small part of the least that a
 * piece is charged (CLIENT_COST_MIN). */
static bool client_io_append(struct client_io *io, struct client_io_buffer *buffer,
                             const uint8_t *bytes, size_t size, size_t capacity)
{
    if (!client_io_room(io, buffer, size, capacity))
        return false;
    memcpy(buffer->bytes + buffer->end, bytes, size);
    buffer->end += size;
    client_io_changed(io, buffer);
    return true;
}

bool client_io_inherit(struct client_io *io, bool output, const uint8_t *bytes, size_t size)
{
    return size == 0 || client_io_append(io, output ? &io->out : &io->in, bytes, size, 0);
}

/* Forgets the first `size` bytes, which the extent goes on to have if there is one by now. */
static void client_io_cut(struct client_io *io, struct client_io_buffer *buffer, size_t size)
{
    explicit_bzero(buffer->bytes + buffer->start, size);
    buffer->start += size;
    if (buffer->line)
        buffer->gone += (uint32_t)size;
    if (buffer->start == buffer->end)
        client_io_empty(io, buffer);
    journal_touch(io->desk->journal, &io->mark);
}

/* Forgets `size` bytes `at` bytes behind the first that counts. False without room in the journal,
 * and nothing is done. */
static bool client_io_cut_out(struct client_io *io, struct client_io_buffer *buffer, size_t at,
                              size_t size)
{
    uint8_t *bytes = buffer->bytes + buffer->start;
    size_t behind = buffer->end - buffer->start - at - size;

    if (!client_io_claim(io, buffer, at + behind))
        return false;
    memmove(bytes + at, bytes + at + size, behind);
    buffer->end -= size;
    client_io_changed(io, buffer);
    return true;
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
    ssize_t count = desk_receive(io->desk, io->fd, io->cookie, buffer, size, !io->bytes_only);

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
            client_io_cut(io, in, *size);
            return CLIENT_IO_FRAME;
        case FRAME_PARTIAL:
            break;
        }
        count = client_io_receive(io, buffer, *size - have);
        if (count <= 0)
            return client_io_receive_status(io, count);
        if (!client_io_append(io, in, bytes, (size_t)count, *size))
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
        if (!client_io_append(io, &io->in, bytes, have, *size))
            return CLIENT_IO_MEMORY;
        return CLIENT_IO_AGAIN;
    case FRAME_WHOLE:
        break;
    }
    if (have == *size)
        return CLIENT_IO_FRAME;
    /* The bytes behind the frame may be the start of a command of any length. */
    client_io_look(io, bytes + *size, have - *size, &need);
    if (!client_io_append(io, &io->in, bytes + *size, have - *size, need))
        return CLIENT_IO_MEMORY;
    return CLIENT_IO_FRAME;
}

enum client_io_status client_io_read(struct client_io *io, enum desk_buffer buffer, size_t *size)
{
    return io->in.bytes ? client_io_read_on(io, buffer, size)
                        : client_io_read_first(io, buffer, size);
}

/* Whether there is room for all that may be read ahead. Bytes that are not committed yet do not
 * take it. */
static bool client_io_room_ahead(struct client_io *io)
{
    size_t used = io->in.end - io->in.start;

    desk_commit(io->desk);
    return client_io_room(io, &io->in, CLIENT_IO_AHEAD - used, 0);
}

const uint8_t *client_io_ahead(struct client_io *io, size_t *have)
{
    struct client_io_buffer *in = &io->in;
    size_t used = in->end - in->start;

    if (io->maybe_more && used < CLIENT_IO_AHEAD && client_io_room_ahead(io)) {
        ssize_t count = client_io_receive(io, DESK_SCRATCH, CLIENT_IO_AHEAD - used);

        if (count > 0)
            client_io_append(io, in, io->desk->bytes[DESK_SCRATCH], (size_t)count, 0);
        else if (used == 0)
            client_io_empty(io, in);
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

    if (!io->maybe_more || have >= most)
        return 0;
    count =
        client_io_receive(io, DESK_SCRATCH, room < io->desk->capacity ? room : io->desk->capacity);
    if (count < 0 && count != -EAGAIN)
        return (int)count;
    if (count == 0)
        io->ended = true;
    if (count > 0
        && !client_io_append(io, &io->in, io->desk->bytes[DESK_SCRATCH], (size_t)count, 2 * have))
        return -ENOMEM;
    desk_wipe(io->desk, DESK_SCRATCH);
    return 0;
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
    /* So that the frame goes in the commit that has the reply to it, and in no earlier one. */
    desk_settle(io->desk);
    memcpy(frame, bytes + at, *size);
    if (at == 0)
        client_io_cut(io, &io->in, *size);
    else if (!client_io_cut_out(io, &io->in, at, *size))
        return CLIENT_IO_NOWHERE;
    return at ? CLIENT_IO_BEHIND : CLIENT_IO_FRONT;
}

int client_io_send(struct client_io *io, enum desk_buffer buffer, size_t size)
{
    ssize_t count = client_io_sending(io)
                        ? -EAGAIN
                        : desk_send(io->desk, io->fd, io->cookie, buffer, NULL, size);

    if (count == -EAGAIN)
        count = 0;
    if (count < 0)
        return (int)count;
    if ((size_t)count == size)
        return 0;
    return client_io_append(io, &io->out, io->desk->bytes[buffer] + count, size - (size_t)count, 0)
               ? 0
               : -ENOMEM;
}

int client_io_flush(struct client_io *io)
{
    struct client_io_buffer *out = &io->out;

    while (client_io_sending(io)) {
        ssize_t count = desk_send(io->desk, io->fd, io->cookie, DESK_KEPT, out->bytes + out->start,
                                  out->end - out->start);

        if (count > 0)
            client_io_cut(io, out, (size_t)count);
        desk_settle(io->desk);
        if (count < 0)
            return count == -EAGAIN ? 0 : (int)count;
    }
    return 0;
}
