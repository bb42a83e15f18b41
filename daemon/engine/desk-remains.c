/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/desk-remains.h"

#include "engine/client.h"
#include "engine/desk-layout.h"
#include "rm/rc.h"
#include "wire/response.h"

#include <string.h>

/* The one record of its kind; all zero when there is none. */
static void desk_remains_load(const struct journal_image *image, enum journal_kind kind,
                              void *record, size_t size)
{
    enum journal_kind found;
    uint32_t serial;
    const void *payload = journal_image_record(image, (uint32_t)kind, &found, &serial);

    memset(record, 0, size);
    if (payload && found == kind)
        memcpy(record, payload, size);
}

static bool desk_remains_run_is_good(const struct desk_remains *remains,
                                     const struct desk_head *head)
{
    const struct record_run *run = &remains->run;

    if (run->phase == RUN_NONE)
        return true;
    if (run->cookie == 0 || run->command < HEADER_SIZE || run->command > head->command)
        return false;
    if (run->phase != RUN_ANSWERED)
        return run->phase == RUN_TAKEN || run->phase == RUN_SENT;
    return run->response >= HEADER_SIZE && run->response <= head->response;
}

/* What comes to the command's buffer comes before a command is at hand. */
static bool desk_remains_in_is_good(const struct desk_remains *remains,
                                    const struct desk_head *head)
{
    const struct record_move *in = &remains->in;

    if (remains->received > in->size || in->size > head->command)
        return false;
    if (in->buffer == DESK_COMMAND)
        return remains->received == 0 || remains->run.phase == RUN_NONE;
    return in->buffer == DESK_SCRATCH;
}

static bool desk_remains_out_is_good(const struct desk_remains *remains,
                                     const struct desk_head *head)
{
    const struct record_move *out = &remains->out;

    if (remains->sent > out->size)
        return false;
    if (out->buffer == DESK_RESPONSE)
        return out->size <= head->response;
    if (out->buffer == DESK_REPLY)
        return out->size <= DESK_REPLY_SIZE;
    return out->buffer == DESK_KEPT;
}

bool desk_remains_read(struct desk_remains *remains, const struct journal_image *image)
{
    const uint8_t *block = image->bytes + image->desk_at;
    struct desk_head head;
    size_t at[DESK_KEPT];

    *remains = (struct desk_remains){.image = image};
    if (image->desk_size < sizeof(head))
        return false;
    memcpy(&head, block, sizeof(head));
    if (head.command > image->desk_size || head.response > image->desk_size
        || desk_lay_out(at, head.command, head.response) > image->desk_size)
        return false;
    for (unsigned i = 0; i < DESK_KEPT; i++)
        remains->bytes[i] = block + at[i];
    desk_remains_load(image, JOURNAL_RUN, &remains->run, sizeof(remains->run));
    desk_remains_load(image, JOURNAL_IN, &remains->in, sizeof(remains->in));
    desk_remains_load(image, JOURNAL_OUT, &remains->out, sizeof(remains->out));
    remains->received = remains->in.cookie ? head.in.msg_len : 0;
    remains->sent = remains->out.cookie ? head.out.msg_len : 0;
    response_build_code(remains->lost_answer, RM_RC_FAILURE);
    return desk_remains_run_is_good(remains, &head)
           && (remains->in.cookie == 0 || desk_remains_in_is_good(remains, &head))
           && (remains->out.cookie == 0 || desk_remains_out_is_good(remains, &head));
}

/* What is kept: an extent, without the bytes that are gone. */
static bool desk_remains_kept(const struct journal_image *image, uint32_t line, uint32_t cell,
                              uint32_t gone, struct desk_piece *piece)
{
    size_t size = 0;
    const uint8_t *bytes;

    *piece = (struct desk_piece){NULL, 0};
    if (line == 0)
        return gone == 0;
    bytes = journal_image_extent(image, line, cell, &size);
    if (!bytes || gone >= size)
        return false;
    *piece = (struct desk_piece){bytes + gone, size - gone};
    return true;
}

/* A client is in the journal from when it is opened on. */
static bool desk_remains_state_is_good(uint8_t state)
{
    return state == CLIENT_OPEN || state == CLIENT_DRAINING || state == CLIENT_CLOSED;
}

/* A command of which it is known that the TPM has not run it comes again, before what came behind
 * it. */
static void desk_remains_input(const struct desk_remains *remains, struct desk_stream *stream,
                               struct desk_piece kept)
{
    const struct record_run *run = &remains->run;
    uint64_t cookie = stream->record.cookie;

    if (run->phase == RUN_TAKEN && run->cookie == cookie)
        stream->in[0] = (struct desk_piece){remains->bytes[DESK_COMMAND], run->command};
    stream->in[1] = kept;
    if (remains->in.cookie == cookie)
        stream->in[2] = (struct desk_piece){remains->bytes[remains->in.buffer], remains->received};
}

/* What was being sent goes before the answer to the command at hand. */
static bool desk_remains_output(const struct desk_remains *remains, struct desk_stream *stream,
                                struct desk_piece kept)
{
    const struct record_run *run = &remains->run;
    uint64_t cookie = stream->record.cookie;
    bool sending = remains->out.cookie == cookie;
    size_t sent = remains->sent, size = remains->out.size;

    if (sending && remains->out.buffer == DESK_KEPT) {
        if (size != kept.size)
            return false;
        kept = (struct desk_piece){kept.bytes + sent, size - sent};
    } else if (sending) {
        const uint8_t *bytes = remains->bytes[remains->out.buffer];

        stream->out[1] = (struct desk_piece){bytes + sent, size - sent};
    }
    stream->out[0] = kept;
    if (run->cookie != cookie)
        return true;
    if (run->phase == RUN_ANSWERED && !(sending && remains->out.buffer == DESK_RESPONSE))
        stream->out[2] = (struct desk_piece){remains->bytes[DESK_RESPONSE], run->response};
    if (run->phase == RUN_SENT) {
        stream->lost = (struct desk_piece){remains->bytes[DESK_COMMAND], run->command};
        stream->out[2] = (struct desk_piece){remains->lost_answer, HEADER_SIZE};
    }
    return true;
}

bool desk_remains_stream(const struct desk_remains *remains, uint32_t cell,
                         struct desk_stream *stream)
{
    struct record_connection *record = &stream->record;
    struct desk_piece in, out;
    enum journal_kind kind;
    uint32_t serial;
    const void *payload = journal_image_record(remains->image, cell, &kind, &serial);

    *stream = (struct desk_stream){0};
    if (!payload || kind != JOURNAL_CONNECTION)
        return false;
    memcpy(record, payload, sizeof(*record));
    if (record->cookie == 0 || !desk_remains_state_is_good(record->state)
        || !desk_remains_kept(remains->image, record->in, cell, record->in_gone, &in)
        || !desk_remains_kept(remains->image, record->out, cell, record->out_gone, &out))
        return false;
    desk_remains_input(remains, stream, in);
    return desk_remains_output(remains, stream, out);
}
