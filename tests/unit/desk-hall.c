/* SPDX-License-Identifier: BSD-2-Clause */
#include "desk-hall.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "engine/desk-remains.h"
#include "rm/rc.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <tss2/tss2_tcti.h>

#include <cmocka.h>

struct hall hall;
struct hall_met hall_met;

/* The chip is not the question here: it answers at once. */
static int hall_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                         uint8_t *response, size_t capacity, size_t *response_size)
{
    uint32_t answer = load_be32(command + HEADER_SIZE + 4);

    (void)tpm;
    (void)locality;
    hall_ask();
    if (hall.meanwhile) {
        loop_begin_nested(&hall.crowd.loop);
        hall.meanwhile(&hall);
        loop_end_nested(&hall.crowd.loop);
        hall_ask();
    }
    if (header_load(command).code != HALL_COMMAND || size < HEADER_SIZE + 8 || answer > capacity)
        return -EPROTO;
    if (hall.busy > 0) {
        hall.busy--;
        header_store(response, TPM2_ST_NO_SESSIONS, HEADER_SIZE, TPM2_RC_RETRY);
        *response_size = HEADER_SIZE;
        return 0;
    }
    memset(response, (int)answer, answer);
    header_store(response, TPM2_ST_NO_SESSIONS, answer, TPM2_RC_SUCCESS);
    memcpy(response + HEADER_SIZE, command + HEADER_SIZE, 4);
    *response_size = answer;
    return 0;
}

static bool hall_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    (void)attempt;
    hall_ask();
    return true;
}

static void hall_make_manager(void)
{
    static const struct rm_limits limits = {.objects_per_client = 4, .sessions_per_client = 4};
    static struct chip facts;

    facts = (struct chip){
        .max_command = CHIP_MIN_BUFFER,
        .max_response = CHIP_MIN_BUFFER,
        .object_slots = 3,
        .session_slots = 3,
        .active_sessions = 64,
        .context_gap = 1000,
    };
    assert_true(command_table_add(&facts.commands, TPMA_CC_V | (HALL_COMMAND & 0xffff)));
    hall.tpm = (struct rm_tpm){hall_transact, hall_backoff};
    hall.rm = rm_new(&hall.tpm, &facts, &limits);
    assert_non_null(hall.rm);
}

void hall_open(void)
{
    struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER, .generation = 1};
    size_t command, response;

    memset(&hall, 0, sizeof(hall));
    log_threshold = LOG_LEVEL_SILENT;
    hall_make_manager();
    command = rm_command_capacity(hall.rm);
    response = rm_response_capacity(hall.rm);
    config.desk = (uint32_t)desk_bytes(command, response);
    plain_journal_init(&hall.plain, HALL_CAPACITY, &config);
    assert_non_null(hall.plain.journal);
    rm_set_journal(hall.rm, hall.plain.journal);
    crowd_init_kept(&hall.crowd, hall.plain.journal, command, response);
    journal_complete(hall.plain.journal);
    hall.channel = (struct control_channel){&hall.crowd.clients, &hall.link};
    hall.link.tcti = tcti_new(&(struct tcti_waiter){.fd = -1});
    assert_non_null(hall.link.tcti);
    dispatch_init(&hall.dispatch, &hall.crowd.clients, &hall.channel);
    for (unsigned i = 0; i < HALL_CLIENTS; i++) {
        int small = 1; /* so that an answer soon finds no room */

        hall.talks[i].client =
            crowd_join(&hall.crowd, i, 0, i < 2 ? CLIENT_FROM_SOCKET : CLIENT_FROM_BUS);
        setsockopt(hall.talks[i].client->io.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    }
}

void hall_close(void)
{
    hall_met.canceled += (unsigned)hall.crowd.clients.statistics.canceled;
    crowd_clear(&hall.crowd);
    dispatch_clear(&hall.dispatch);
    tcti_free(hall.link.tcti);
    rm_free(hall.rm);
    plain_journal_clear(&hall.plain);
}

static struct hall_frame *hall_add(struct hall_talk *talk, size_t size)
{
    struct hall_frame *frame = &talk->frames[talk->frame_count++];

    assert_true(talk->frame_count < HALL_FRAMES && talk->written_size + size <= HALL_BYTES);
    *frame = (struct hall_frame){.at = talk->written_size, .size = size, .before = talk->commands};
    talk->written_size += size;
    return frame;
}

void hall_write_command(unsigned index, size_t size, size_t answer)
{
    struct hall_talk *talk = &hall.talks[index];
    struct hall_frame *frame = hall_add(talk, size);
    uint8_t *bytes = talk->written + frame->at;

    frame->number = ++hall.numbers;
    talk->commands++;
    memset(bytes, (int)frame->number, size);
    header_store(bytes, TPM2_ST_NO_SESSIONS, (uint32_t)size, HALL_COMMAND);
    store_be32(bytes + HEADER_SIZE, frame->number);
    store_be32(bytes + HEADER_SIZE + 4, (uint32_t)answer);
}

void hall_write_control(unsigned index, uint32_t operation, uint8_t locality)
{
    struct hall_talk *talk = &hall.talks[index];
    struct hall_frame *frame = hall_add(talk, control_frame_request_size(operation));

    frame->control = true;
    frame->operation = operation;
    frame->locality = locality;
    control_frame_request_store(talk->written + frame->at, operation, locality);
}

void hall_write_bad(unsigned index)
{
    struct hall_talk *talk = &hall.talks[index];
    struct hall_frame *frame = hall_add(talk, HEADER_SIZE);

    header_store(talk->written + frame->at, TPM2_ST_NO_SESSIONS, UINT32_MAX, HALL_COMMAND);
}

void hall_say(unsigned index, size_t size)
{
    struct hall_talk *talk = &hall.talks[index];
    size_t left = talk->written_size - talk->said;
    ssize_t count = send(hall.crowd.ends[index], talk->written + talk->said,
                         size < left ? size : left, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (count > 0)
        talk->said += (size_t)count;
}

void hall_hear(unsigned index, size_t size)
{
    struct hall_talk *talk = &hall.talks[index];
    size_t room = HALL_BYTES - talk->heard_size;
    ssize_t count = recv(hall.crowd.ends[index], talk->heard + talk->heard_size,
                         size < room ? size : room, MSG_DONTWAIT);

    if (count > 0)
        talk->heard_size += (size_t)count;
}

void hall_turn(void)
{
    struct client *client = dispatch_begin(&hall.dispatch);

    if (!client)
        return;
    client_prepare(client, hall.rm);
    dispatch_run(&hall.dispatch, hall.rm);
    dispatch_end(&hall.dispatch);
}

void hall_take_room(void)
{
    static const uint8_t byte;

    journal_commit(hall.plain.journal);
    hall.plain.most = hall.plain.backed;
    for (;;) {
        struct journal_mark mark = {.cell.cell = 1};
        uint32_t line = 0;

        if (!journal_claim(hall.plain.journal, &mark, 0, 1))
            return;
        assert_true(journal_keep(hall.plain.journal, &mark, 0, &line, &byte, 1));
    }
}

/* All bytes of one direction of a connection, as a crash now would leave them. */
struct hall_bytes {
    uint8_t bytes[2 * HALL_BYTES];
    size_t size;
};

static void hall_put(struct hall_bytes *to, const uint8_t *bytes, size_t size)
{
    if (size > sizeof(to->bytes) - to->size)
        size = sizeof(to->bytes) - to->size;
    if (size > 0)
        memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void hall_put_pieces(struct hall_bytes *to, const struct desk_piece pieces[DESK_PIECES])
{
    for (unsigned i = 0; i < DESK_PIECES; i++)
        hall_put(to, pieces[i].bytes, pieces[i].size);
}

/* What is in a socket. */
static void hall_put_unread(struct hall_bytes *to, int fd)
{
    ssize_t count =
        recv(fd, to->bytes + to->size, sizeof(to->bytes) - to->size, MSG_PEEK | MSG_DONTWAIT);

    if (count > 0)
        to->size += (size_t)count;
}

/* What the client was answered. */
struct hall_answers {
    unsigned commands, controls;
    const struct hall_frame *lost; /* its outcome is not known */
    int locality;                  /* that was set last; -1: none */
    bool dismissed;                /* with a last answer, which is to no command */
    const char *wrong;
};

/* Command or control frame number `wanted` of those that a client wrote; NULL: there is none. */
static const struct hall_frame *hall_find(const struct hall_talk *talk, bool control,
                                          unsigned wanted)
{
    for (unsigned i = 0; i < talk->frame_count; i++) {
        if (talk->frames[i].control == control && wanted-- == 0)
            return &talk->frames[i];
    }
    return NULL;
}

static void hall_read_control(const struct hall_talk *talk, const uint8_t *bytes,
                              struct hall_answers *answers)
{
    const struct hall_frame *frame = hall_find(talk, true, answers->controls++);

    if (!frame || header_load(bytes).code != frame->operation)
        answers->wrong = "a reply to no control frame";
    else if (load_be32(bytes + HEADER_SIZE) != TSS2_RC_SUCCESS)
        return;
    else if (frame->operation == CONTROL_FRAME_SET_LOCALITY)
        answers->locality = frame->locality;
}

static void hall_read_answer(const struct hall_talk *talk, const uint8_t *bytes, size_t size,
                             struct hall_answers *answers)
{
    uint32_t code = header_load(bytes).code;
    const struct hall_frame *frame;

    if (code == RM_RC_COMMAND_SIZE || code == RM_RC_MEMORY) {
        answers->dismissed = true;
        return;
    }
    frame = hall_find(talk, false, answers->commands++);
    if (!frame)
        answers->wrong = "an answer to no command";
    else if (code == RM_RC_FAILURE)
        answers->lost = frame;
    else if (code != RM_RC_CANCELED
             && (size < HEADER_SIZE + 4 || load_be32(bytes + HEADER_SIZE) != frame->number))
        answers->wrong = "an answer to another command";
}

/* Reads frames of the daemon's, all of which must be whole. */
static void hall_read(const struct hall_talk *talk, const struct hall_bytes *out,
                      struct hall_answers *answers)
{
    size_t at = 0;

    *answers = (struct hall_answers){.locality = -1};
    while (at < out->size && !answers->wrong) {
        size_t have = out->size - at, size = have < HEADER_SIZE ? 0 : 1;

        if (size)
            size = header_load(out->bytes + at).size;
        if (size < HEADER_SIZE || size > have)
            answers->wrong = "an answer that is not whole";
        else if (control_frame_is(out->bytes + at))
            hall_read_control(talk, out->bytes + at, answers);
        else
            hall_read_answer(talk, out->bytes + at, size, answers);
        at += size;
    }
}

/* The bytes that were said and are not answered. */
static void hall_put_rest(struct hall_bytes *to, const struct hall_talk *talk,
                          const struct hall_answers *answers)
{
    unsigned commands = answers->commands, controls = answers->controls;

    for (unsigned i = 0; i < talk->frame_count; i++) {
        const struct hall_frame *frame = &talk->frames[i];
        unsigned *done = frame->control ? &controls : &commands;

        if (*done > 0)
            --*done;
        else if (frame->at < talk->said)
            hall_put(to, talk->written + frame->at,
                     talk->said - frame->at < frame->size ? talk->said - frame->at : frame->size);
    }
}

/* A cancel that succeeded leaves no command that is still to be run before it. */
static bool hall_cancels_hold(const struct hall_talk *talk, const struct hall_bytes *out,
                              const struct hall_answers *answers)
{
    unsigned controls = 0;

    for (size_t at = 0; at < out->size; at += header_load(out->bytes + at).size) {
        const struct hall_frame *frame;

        if (!control_frame_is(out->bytes + at))
            continue;
        frame = hall_find(talk, true, controls++);
        if (frame->operation == CONTROL_FRAME_CANCEL
            && load_be32(out->bytes + at + HEADER_SIZE) == TSS2_RC_SUCCESS
            && answers->commands < frame->before)
            return false;
    }
    return true;
}

/* The cell of the connection; 0: it has none yet. */
static uint32_t hall_cell(const struct journal_image *image, uint64_t cookie)
{
    for (uint32_t cell = 1; cell <= image->cells; cell++) {
        struct record_connection record;
        enum journal_kind kind;
        uint32_t serial;
        const void *payload = journal_image_record(image, cell, &kind, &serial);

        if (!payload || kind != JOURNAL_CONNECTION)
            continue;
        memcpy(&record, payload, sizeof(record));
        if (record.cookie == cookie)
            return cell;
    }
    return 0;
}

static void hall_meet(const struct desk_stream *stream)
{
    struct hall_met *met = &hall_met;

    met->taken += stream->in[0].size > 0;
    met->kept_in += stream->in[1].size > 0;
    met->received += stream->in[2].size > 0;
    met->kept_out += stream->out[0].size > 0;
    met->sending += stream->out[1].size > 0;
    met->answered += stream->out[2].size > 0 && stream->lost.size == 0;
    met->lost += stream->lost.size > 0;
}

/* What is wrong with one client; NULL: nothing. */
static const char *hall_judge(unsigned index, const struct desk_remains *remains)
{
    static struct hall_bytes in, out, rest;
    const struct hall_talk *talk = &hall.talks[index];
    int fd = talk->client->io.fd;
    uint32_t cell = hall_cell(remains->image, descriptors_cookie(fd));
    struct desk_stream stream = {0};
    struct hall_answers answers;

    if (cell != 0 && !desk_remains_stream(remains, cell, &stream))
        return "no stream";
    hall_meet(&stream);
    in.size = out.size = rest.size = 0;
    hall_put_pieces(&in, stream.in);
    hall_put_unread(&in, fd);
    hall_put(&out, talk->heard, talk->heard_size);
    hall_put_unread(&out, hall.crowd.ends[index]);
    hall_put_pieces(&out, stream.out);
    hall_read(talk, &out, &answers);
    if (answers.wrong)
        return answers.wrong;
    if (cell != 0 && answers.dismissed != (stream.record.state != CLIENT_OPEN))
        return "dismissed, and open; or the other way round";
    if (answers.dismissed)
        return NULL;
    hall_put_rest(&rest, talk, &answers);
    if (rest.size != in.size || memcmp(rest.bytes, in.bytes, in.size) != 0)
        return "other bytes than were said and not answered";
    if (answers.lost
        && (stream.lost.size != answers.lost->size
            || memcmp(stream.lost.bytes, talk->written + answers.lost->at, stream.lost.size) != 0))
        return "another command than the one that was sent";
    if (answers.locality >= 0 && stream.record.locality != answers.locality)
        return "another locality than was set";
    return hall_cancels_hold(talk, &out, &answers) ? NULL : "a command after its cancel";
}

void hall_ask(void)
{
    struct desk_remains remains;
    struct journal_image image;
    const char *wrong = "no image";
    int error = errno;

    hall.instants++;
    if (journal_image_open(&image, hall.plain.memory.bytes, HALL_CAPACITY, PLAIN_JOURNAL_OWNER)
        == JOURNAL_GOOD)
        wrong = desk_remains_read(&remains, &image) ? NULL : "no desk";
    for (unsigned i = 0; i < HALL_CLIENTS && !wrong; i++)
        wrong = hall_judge(i, &remains);
    if (wrong && hall.wrong++ == 0)
        hall.reason = wrong;
    errno = error;
}
