/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "logger.h"

#define stream_error(stream, ...) \
    logger_at((stream)->quiet ? LOGGER_DEBUG : LOGGER_ERROR, __VA_ARGS__)

void stream_init(struct stream *stream, int fd, bool control)
{
    *stream = (struct stream){.fd = fd, .control = control};
}

/* Forgets the held bytes; their memory is not touched. */
static void stream_forget(struct stream *stream)
{
    stream->held = NULL;
    stream->held_size = 0;
}

static void stream_wipe(struct stream *stream)
{
    if (stream->held != NULL)
        explicit_bzero(stream->held, stream->held_size);
    free(stream->held);
    stream_forget(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    stream_wipe(stream);
}

void stream_forked(struct stream *stream)
{
    stream_forget(stream);
}

/* Sends all of `bytes`, counted in `journal` if there is one. Returns 0 or a negative errno. */
static int stream_push(int fd, struct journal *journal, const uint8_t *bytes, size_t size)
{
    ssize_t sent;
    int failed;

    while (size > 0) {
        sent = journal != NULL ? journal_send(journal, fd, bytes, size)
                               : send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        failed = -errno;
        if (failed == -EAGAIN)
            failed = deadline_poll(fd, POLLOUT, DEADLINE_NEVER);
        if (failed != 0)
            return failed;
    }
    return 0;
}

static TSS2_RC stream_broke_sending(const struct stream *stream, int failed)
{
    stream_error(stream, "the connection to tabrmd broke while sending: %s", strerror(-failed));
    return TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC stream_cancel(const struct stream *stream)
{
    uint8_t request[CONTROL_FRAME_MAX_REQUEST];
    size_t size = control_frame_request_store(request, CONTROL_FRAME_CANCEL, 0);
    int failed = stream_push(stream->fd, NULL, request, size);

    return failed == 0 ? TSS2_RC_SUCCESS : stream_broke_sending(stream, failed);
}

/*
 * One recv() that has at least a byte, an end or an error to tell, or the deadline. A wait without
 * end is a blocking recv() where the descriptor allows it: one system call instead of two.
 */
static TSS2_RC stream_recv(struct stream *stream, uint8_t *out, size_t room, int flags,
                           int64_t deadline, size_t *got)
{
    bool wait = deadline != DEADLINE_NEVER && deadline != DEADLINE_NOW;
    ssize_t count;
    int failed;

    if (deadline != DEADLINE_NEVER)
        flags |= MSG_DONTWAIT;
    for (;;) {
        failed = wait ? deadline_poll(stream->fd, POLLIN, deadline) : 0;
        if (failed == -ETIMEDOUT)
            return TSS2_TCTI_RC_TRY_AGAIN;
        if (failed == 0) {
            count = stream->journal != NULL && (flags & MSG_PEEK) == 0
                        ? journal_receive(stream->journal, stream->fd, out, room, flags)
                        : recv(stream->fd, out, room, flags);
            if (count > 0) {
                *got = (size_t)count;
                return TSS2_RC_SUCCESS;
            }
            failed = count < 0 ? -errno : -ECONNRESET;
        }
        if (failed == -EAGAIN && deadline == DEADLINE_NOW)
            return TSS2_TCTI_RC_TRY_AGAIN;
        if (failed == -EAGAIN)
            wait = true;
        else if (failed != -EINTR)
            break;
    }
    stream_error(stream, "tabrmd closed the connection: %s", strerror(-failed));
    return TSS2_TCTI_RC_IO_ERROR;
}

/* Appends bytes to those that are held. The buffer never moves by realloc(): that would leave
 * bytes behind that are not wiped. */
static TSS2_RC stream_hold(struct stream *stream, const uint8_t *bytes, size_t size)
{
    size_t held_size = stream->held_size, all = held_size + size;
    uint8_t *held;

    if (size == 0)
        return TSS2_RC_SUCCESS;
    held = malloc(all);
    if (held == NULL) {
        stream_error(stream, "no memory for %zu bytes of a response", all);
        return TSS2_TCTI_RC_MEMORY;
    }
    if (held_size > 0)
        memcpy(held, stream->held, held_size);
    memcpy(held + held_size, bytes, size);
    stream_wipe(stream);
    stream->held = held;
    stream->held_size = all;
    return TSS2_RC_SUCCESS;
}

/* Forgets the first `size` bytes of those that are held. */
static void stream_drop(struct stream *stream, size_t size)
{
    if (size == stream->held_size) {
        stream_wipe(stream);
        return;
    }
    stream->held_size -= size;
    memmove(stream->held, stream->held + size, stream->held_size);
    explicit_bzero(stream->held + stream->held_size, size);
}

/* Takes over the bytes that the last process took off the socket too early, and notes in the
 * journal what is about to be sent. */
static TSS2_RC stream_begin(struct stream *stream, enum journal_phase phase, const uint8_t *frame,
                            size_t size)
{
    uint8_t carried[JOURNAL_CARRIED_MAX];
    size_t carried_size;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (stream->journal == NULL)
        return rc;
    if (stream->held_size > 0)
        stream_wipe(stream);
    carried_size = journal_carried(stream->journal, carried);
    if (carried_size > 0)
        rc = stream_hold(stream, carried, carried_size);
    stream->late_locality_replies = journal_late_replies(stream->journal);
    journal_begin(stream->journal, phase, frame, size);
    return rc;
}

/* Notes in the journal that the frame was answered, or that its answer was given up. */
static void stream_end(struct stream *stream)
{
    if (stream->journal != NULL)
        journal_end(stream->journal, stream->held, stream->held_size,
                    stream->late_locality_replies);
}

unsigned stream_command(const struct stream *stream)
{
    return atomic_load_explicit(&stream->commands, memory_order_relaxed);
}

TSS2_RC stream_send(struct stream *stream, const uint8_t *command, size_t size)
{
    TSS2_RC rc = stream_begin(stream, JOURNAL_SENDING, command, size);
    int failed;

    atomic_store_explicit(&stream->commands, stream_command(stream) + 1, memory_order_relaxed);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    failed = stream_push(stream->fd, stream->journal, command, size);
    if (failed != 0)
        return stream_broke_sending(stream, failed);
    if (stream->journal != NULL)
        journal_answer_due(stream->journal);
    return TSS2_RC_SUCCESS;
}

/* Holds bytes of the socket until there are `least`; takes none past `most`, which is
 * CONTROL_FRAME_REPLY_SIZE at the most. */
static TSS2_RC stream_hold_until(struct stream *stream, size_t least, size_t most, int64_t deadline)
{
    uint8_t bytes[CONTROL_FRAME_REPLY_SIZE];
    size_t got = 0;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    while (rc == TSS2_RC_SUCCESS && stream->held_size < least) {
        rc = stream_recv(stream, bytes, most - stream->held_size, 0, deadline, &got);
        if (rc == TSS2_RC_SUCCESS)
            rc = stream_hold(stream, bytes, got);
    }
    return rc;
}

/* Reads the header of the next frame, the last of its bytes left on the socket unless it is held
 * already. */
static TSS2_RC stream_peek_header(struct stream *stream, struct header *header, int64_t deadline)
{
    uint8_t bytes[HEADER_SIZE];
    size_t held, got = 0;
    TSS2_RC rc;

    for (;;) {
        held = MIN(stream->held_size, HEADER_SIZE);
        if (held > 0)
            memcpy(bytes, stream->held, held);
        if (held == HEADER_SIZE)
            break;
        rc = stream_recv(stream, bytes + held, HEADER_SIZE - held, MSG_PEEK, deadline, &got);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        if (held + got == HEADER_SIZE)
            break;
        /* Bytes that were only peeked at would end every wait for more, so they are taken. */
        rc = stream_hold_until(stream, held + got, held + got, DEADLINE_NOW);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    *header = header_load(bytes);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC stream_malformed(const struct stream *stream, const char *what)
{
    stream_error(stream, "malformed data from tabrmd: %s", what);
    return TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

/* Takes the control reply that is next, whose header was just read. */
static TSS2_RC stream_take_reply(struct stream *stream, const struct header *header, uint32_t *rc,
                                 int64_t deadline)
{
    TSS2_RC result;

    if (header->size != CONTROL_FRAME_REPLY_SIZE)
        return stream_malformed(stream, "the size of a control reply");
    result =
        stream_hold_until(stream, CONTROL_FRAME_REPLY_SIZE, CONTROL_FRAME_REPLY_SIZE, deadline);
    if (result != TSS2_RC_SUCCESS)
        return result;
    *rc = load_be32(stream->held + HEADER_SIZE);
    stream_drop(stream, CONTROL_FRAME_REPLY_SIZE);
    return TSS2_RC_SUCCESS;
}

/* Takes a reply that nobody waits for: to a cancel, or to a set locality that was given up. */
static TSS2_RC stream_skip_reply(struct stream *stream, const struct header *header,
                                 int64_t deadline)
{
    uint32_t verdict;
    TSS2_RC rc;

    if (header->code != CONTROL_FRAME_CANCEL
        && (header->code != CONTROL_FRAME_SET_LOCALITY || stream->late_locality_replies == 0))
        return stream_malformed(stream, "a control reply to no request");
    rc = stream_take_reply(stream, header, &verdict, deadline);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (header->code == CONTROL_FRAME_SET_LOCALITY)
        stream->late_locality_replies--;
    else if (verdict != TSS2_RC_SUCCESS)
        logger_debug("tabrmd could not cancel: 0x%x", (unsigned)verdict);
    return TSS2_RC_SUCCESS;
}

/* A response was received whole. The journal has room for a part of one reply behind it, for the
 * process that uses the connection next. */
static void stream_answered(struct stream *stream)
{
    struct header header;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (stream->journal == NULL)
        return;
    while (rc == TSS2_RC_SUCCESS && stream->held_size >= CONTROL_FRAME_REPLY_SIZE) {
        header = header_load(stream->held);
        rc = stream_skip_reply(stream, &header, DEADLINE_NOW);
    }
    stream_end(stream);
}

/* Whether what is held from byte `at` on can be the reply to a cancel: nothing else may follow a
 * response. */
static bool stream_replies_follow(const struct stream *stream, size_t at)
{
    const uint8_t tag[] = {CONTROL_FRAME_TAG >> 8, CONTROL_FRAME_TAG & 0xFF};
    size_t held = stream->held_size - at;

    return stream->control && memcmp(stream->held + at, tag, MIN(held, sizeof(tag))) == 0;
}

TSS2_RC stream_response_size(struct stream *stream, size_t *size, int64_t deadline)
{
    struct header header;
    TSS2_RC rc;

    for (;;) {
        rc = stream_peek_header(stream, &header, deadline);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        if (!stream->control || header.tag != CONTROL_FRAME_TAG)
            break;
        rc = stream_skip_reply(stream, &header, deadline);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
    }
    if (header.size < HEADER_SIZE || header.size > STREAM_MAX_RESPONSE)
        return stream_malformed(stream, "the size field of a response");
    if (stream->held_size > header.size && !stream_replies_follow(stream, header.size))
        return stream_malformed(stream, "bytes behind the end of a response");
    *size = header.size;
    return TSS2_RC_SUCCESS;
}

TSS2_RC stream_response_take(struct stream *stream, uint8_t *response, size_t size,
                             int64_t deadline)
{
    size_t done = MIN(stream->held_size, size), kept = done, got = 0;
    TSS2_RC rc, held;

    if (done > 0)
        memcpy(response, stream->held, done);
    while (done < size) {
        rc = stream_recv(stream, response + done, size - done, 0, deadline, &got);
        if (rc == TSS2_TCTI_RC_TRY_AGAIN) {
            held = stream_hold(stream, response + kept, done - kept);
            return held == TSS2_RC_SUCCESS ? rc : held;
        }
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        done += got;
    }
    stream_drop(stream, kept);
    stream_answered(stream);
    return TSS2_RC_SUCCESS;
}

TSS2_RC stream_response_quick(struct stream *stream, uint8_t *response, size_t room, size_t *size,
                              int64_t deadline)
{
    size_t got = 0;
    TSS2_RC rc;

    *size = 0;
    if (stream->held_size > 0 || room < HEADER_SIZE)
        return TSS2_RC_SUCCESS;
    rc = stream_recv(stream, response, room, 0, deadline, &got);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (got >= HEADER_SIZE && header_load(response).size == got
        && !(stream->control && control_frame_is(response))) {
        *size = got;
        stream_answered(stream);
        return TSS2_RC_SUCCESS;
    }
    return stream_hold(stream, response, got);
}

/* Waits for the reply to the newest request of `operation`. Nothing but replies may come, so what
 * is there is taken at once: a wait and a read for each reply. */
static TSS2_RC stream_control_reply(struct stream *stream, enum control_frame_operation operation,
                                    uint32_t *rc, int64_t deadline)
{
    struct header header;
    TSS2_RC result;

    for (;;) {
        result = stream_hold_until(stream, HEADER_SIZE, CONTROL_FRAME_REPLY_SIZE, deadline);
        if (result != TSS2_RC_SUCCESS)
            break;
        header = header_load(stream->held);
        if (header.tag != CONTROL_FRAME_TAG)
            return stream_malformed(stream, "a response to no command");
        if (header.code == (uint32_t)operation
            && (operation != CONTROL_FRAME_SET_LOCALITY || stream->late_locality_replies == 0)) {
            result = stream_take_reply(stream, &header, rc, deadline);
            break;
        }
        result = stream_skip_reply(stream, &header, deadline);
        if (result != TSS2_RC_SUCCESS)
            break;
    }
    if (result == TSS2_TCTI_RC_TRY_AGAIN && operation == CONTROL_FRAME_SET_LOCALITY)
        stream->late_locality_replies++;
    return result;
}

TSS2_RC stream_request(struct stream *stream, enum control_frame_operation operation,
                       uint8_t locality, uint32_t *rc, int64_t deadline)
{
    uint8_t request[CONTROL_FRAME_MAX_REQUEST];
    size_t size = control_frame_request_store(request, operation, locality);
    TSS2_RC result = stream_begin(stream, JOURNAL_REQUESTING, request, size);
    bool quiet = stream->quiet;
    int failed;

    if (result != TSS2_RC_SUCCESS)
        return result;
    failed = stream_push(stream->fd, stream->journal, request, size);
    if (failed == 0 && stream->journal != NULL)
        journal_answer_due(stream->journal);
    /* A peer that closed may have sent its reason before. */
    stream->quiet = quiet || failed != 0;
    result = stream_control_reply(stream, operation, rc, failed == 0 ? deadline : DEADLINE_NOW);
    stream->quiet = quiet;
    if (result == TSS2_RC_SUCCESS || (failed == 0 && result == TSS2_TCTI_RC_TRY_AGAIN))
        stream_end(stream);
    return result == TSS2_RC_SUCCESS || failed == 0 ? result : stream_broke_sending(stream, failed);
}
