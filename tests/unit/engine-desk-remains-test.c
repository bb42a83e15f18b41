/* SPDX-License-Identifier: BSD-2-Clause */
/* What is at the desk when a daemon ends, at each phase of a command and each count of bytes that
 * the kernel had moved. */
#include "engine/client.h"
#include "engine/desk-layout.h"
#include "engine/desk-remains.h"
#include "engine/desk.h"
#include "plain-journal.h"
#include "rm/rc.h"
#include "wire/control-frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <tss2/tss2_tpm2_types.h>

#include <cmocka.h>

#define CAPACITY (1024 * 1024)
#define COOKIE   UINT64_C(77)
#define COMMAND  24
#define ANSWER   16
#define KEPT     5

static const struct record_move none;

/* A journal with one connection, some of whose input and output is kept. */
struct bench {
    struct plain_journal plain;
    struct desk desk;
    struct journal_mark mark;
    uint8_t in[KEPT], out[KEPT];
    uint32_t in_line, out_line, in_gone, out_gone;
    uint64_t cookie;
    uint8_t state;
};

static struct bench bench;

static void note_connection(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct record_connection record = {.cookie = bench.cookie,
                                       .state = bench.state,
                                       .in_gone = bench.in_gone,
                                       .out_gone = bench.out_gone};

    record.in = journal_keep(journal, mark, 0, &bench.in_line, bench.in, KEPT);
    record.out = journal_keep(journal, mark, 1, &bench.out_line, bench.out, KEPT);
    memcpy(payload, &record, sizeof(record));
}

static void fill(uint8_t *bytes, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(first + i);
}

static int setup(void **state)
{
    const struct journal_config config = {.owner = PLAIN_JOURNAL_OWNER,
                                          .generation = 1,
                                          .desk = (uint32_t)desk_bytes(COMMAND, ANSWER)};

    (void)state;
    bench = (struct bench){.cookie = COOKIE, .state = CLIENT_OPEN};
    plain_journal_init(&bench.plain, CAPACITY, &config);
    assert_non_null(bench.plain.journal);
    assert_true(desk_open(&bench.desk, bench.plain.journal, COMMAND, ANSWER));
    fill(bench.in, KEPT, 1);
    fill(bench.out, KEPT, 11);
    fill(bench.desk.bytes[DESK_COMMAND], COMMAND, 21);
    fill(bench.desk.bytes[DESK_SCRATCH], COMMAND, 61);
    fill(bench.desk.bytes[DESK_RESPONSE], ANSWER, 101);
    fill(bench.desk.bytes[DESK_REPLY], DESK_REPLY_SIZE, 141);
    journal_set_noter(bench.plain.journal, JOURNAL_CONNECTION, note_connection);
    assert_true(journal_open(bench.plain.journal, &bench.mark, JOURNAL_CONNECTION));
    for (unsigned i = 0; i < 2; i++)
        assert_true(journal_claim(bench.plain.journal, &bench.mark, i, KEPT));
    journal_complete(bench.plain.journal);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    desk_close(&bench.desk);
    plain_journal_clear(&bench.plain);
    return 0;
}

static void note_move(enum journal_kind kind, uint64_t cookie, enum desk_buffer buffer,
                      uint32_t size)
{
    const struct record_move move = {cookie, buffer, size};

    journal_note_move(bench.plain.journal, kind, &move);
}

static void note_run(enum run_phase phase)
{
    const struct record_run run = {COOKIE, COMMAND, ANSWER, (uint8_t)phase};

    journal_run(bench.plain.journal, &run);
}

/* Ends the daemon here. Whether the next one finds the desk in order; then its part for the
 * connection. */
static bool end(struct desk_stream *stream)
{
    static struct desk_remains remains;
    struct journal_image image;

    journal_commit(bench.plain.journal);
    assert_int_equal(
        journal_image_open(&image, bench.plain.memory.bytes, CAPACITY, PLAIN_JOURNAL_OWNER),
        JOURNAL_GOOD);
    return desk_remains_read(&remains, &image)
           && desk_remains_stream(&remains, bench.mark.cell.cell, stream);
}

static void expect_bytes(const struct desk_piece pieces[DESK_PIECES], const uint8_t *expected,
                         size_t size)
{
    for (unsigned i = 0; i < DESK_PIECES; i++) {
        assert_true(pieces[i].size <= size);
        if (pieces[i].size)
            assert_memory_equal(pieces[i].bytes, expected, pieces[i].size);
        expected += pieces[i].size;
        size -= pieces[i].size;
    }
    assert_int_equal(size, 0);
}

/* Bytes one behind the other. */
struct line {
    uint8_t bytes[256];
    size_t size;
};

static void append(struct line *line, const uint8_t *bytes, size_t size)
{
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

static void test_received_bytes_are_behind_the_kept_ones(void **state)
{
    static const enum desk_buffer buffers[] = {DESK_COMMAND, DESK_SCRATCH};
    struct desk_stream stream;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned came = 0; came <= COMMAND; came++) {
            struct line line = {.size = 0};

            note_move(JOURNAL_IN, COOKIE, buffers[i], COMMAND);
            bench.desk.head->in.msg_len = came;
            append(&line, bench.in, KEPT);
            append(&line, bench.desk.bytes[buffers[i]], came);
            assert_true(end(&stream));
            expect_bytes(stream.in, line.bytes, line.size);
            expect_bytes(stream.out, bench.out, KEPT);
        }
    }
}

static void test_sent_bytes_are_not_owed(void **state)
{
    static const enum desk_buffer buffers[] = {DESK_RESPONSE, DESK_REPLY};
    struct desk_stream stream;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned went = 0; went <= ANSWER; went++) {
            struct line line = {.size = 0};

            note_move(JOURNAL_OUT, COOKIE, buffers[i], ANSWER);
            bench.desk.head->out.msg_len = went;
            append(&line, bench.out, KEPT);
            append(&line, bench.desk.bytes[buffers[i]] + went, ANSWER - went);
            assert_true(end(&stream));
            expect_bytes(stream.in, bench.in, KEPT);
            expect_bytes(stream.out, line.bytes, line.size);
        }
    }
    for (unsigned went = 0; went <= KEPT; went++) {
        note_move(JOURNAL_OUT, COOKIE, DESK_KEPT, KEPT);
        bench.desk.head->out.msg_len = went;
        assert_true(end(&stream));
        expect_bytes(stream.out, bench.out + went, KEPT - went);
    }
}

static void test_command_that_was_not_run_comes_again(void **state)
{
    struct desk_stream stream;
    struct line line = {.size = 0};

    (void)state;
    note_run(RUN_TAKEN);
    note_move(JOURNAL_IN, COOKIE, DESK_SCRATCH, COMMAND);
    bench.desk.head->in.msg_len = 3;
    append(&line, bench.desk.bytes[DESK_COMMAND], COMMAND);
    append(&line, bench.in, KEPT);
    append(&line, bench.desk.bytes[DESK_SCRATCH], 3);
    assert_true(end(&stream));
    expect_bytes(stream.in, line.bytes, line.size);
    expect_bytes(stream.out, bench.out, KEPT);
    assert_int_equal(stream.lost.size, 0);
}

/* Also while a reply to a control frame goes out. */
static void test_command_that_was_sent_is_lost(void **state)
{
    struct desk_stream stream;
    struct line line = {.size = 0};
    uint8_t code[HEADER_SIZE];

    (void)state;
    header_store(code, TPM2_ST_NO_SESSIONS, HEADER_SIZE, RM_RC_FAILURE);
    note_run(RUN_SENT);
    note_move(JOURNAL_OUT, COOKIE, DESK_REPLY, CONTROL_FRAME_REPLY_SIZE);
    bench.desk.head->out.msg_len = 4;
    append(&line, bench.out, KEPT);
    append(&line, bench.desk.bytes[DESK_REPLY] + 4, CONTROL_FRAME_REPLY_SIZE - 4);
    append(&line, code, HEADER_SIZE);
    assert_true(end(&stream));
    expect_bytes(stream.in, bench.in, KEPT);
    expect_bytes(stream.out, line.bytes, line.size);
    assert_int_equal(stream.lost.size, COMMAND);
    assert_memory_equal(stream.lost.bytes, bench.desk.bytes[DESK_COMMAND], COMMAND);
}

static void test_answer_is_owed_once(void **state)
{
    struct desk_stream stream;
    struct line line = {.size = 0};

    (void)state;
    note_run(RUN_ANSWERED);
    append(&line, bench.out, KEPT);
    append(&line, bench.desk.bytes[DESK_RESPONSE], ANSWER);
    assert_true(end(&stream));
    expect_bytes(stream.out, line.bytes, line.size);
    note_move(JOURNAL_OUT, COOKIE, DESK_RESPONSE, ANSWER);
    bench.desk.head->out.msg_len = ANSWER;
    assert_true(end(&stream));
    expect_bytes(stream.out, bench.out, KEPT);
    expect_bytes(stream.in, bench.in, KEPT);
    note_run(RUN_NONE);
    journal_note_move(bench.plain.journal, JOURNAL_OUT, &none);
    assert_true(end(&stream));
    expect_bytes(stream.out, bench.out, KEPT);
}

/* What is at the desk is another connection's. */
static void test_others_have_nothing_of_it(void **state)
{
    struct desk_stream stream;

    (void)state;
    bench.cookie = COOKIE + 1;
    for (enum run_phase phase = RUN_NONE; phase <= RUN_ANSWERED; phase++) {
        note_run(phase);
        note_move(JOURNAL_IN, COOKIE, DESK_SCRATCH, COMMAND);
        note_move(JOURNAL_OUT, COOKIE, DESK_REPLY, ANSWER);
        bench.desk.head->in.msg_len = bench.desk.head->out.msg_len = 2;
        assert_true(end(&stream));
        expect_bytes(stream.in, bench.in, KEPT);
        expect_bytes(stream.out, bench.out, KEPT);
        assert_int_equal(stream.lost.size, 0);
    }
}

/* Counts of no transfer that is under way mean nothing. */
static void test_counts_of_the_past_do_not_count(void **state)
{
    struct desk_stream stream;

    (void)state;
    bench.desk.head->in.msg_len = bench.desk.head->out.msg_len = UINT32_MAX;
    assert_true(end(&stream));
    expect_bytes(stream.in, bench.in, KEPT);
    expect_bytes(stream.out, bench.out, KEPT);
    bench.in_gone = 2;
    bench.out_gone = KEPT - 1;
    journal_touch(bench.plain.journal, &bench.mark);
    assert_true(end(&stream));
    expect_bytes(stream.in, bench.in + 2, KEPT - 2);
    expect_bytes(stream.out, bench.out + KEPT - 1, 1);
    bench.desk.head->in.msg_len = bench.desk.head->out.msg_len = 0;
}

/* Each is refused, and the one before is good. */
static void test_what_cannot_be_is_damage(void **state)
{
    static const struct record_move moves[][2] = {
        {{COOKIE, DESK_SCRATCH, COMMAND}, {COOKIE, DESK_SCRATCH, COMMAND + 1}},
        {{COOKIE, DESK_COMMAND, COMMAND}, {COOKIE, DESK_RESPONSE, 1}},
        {{COOKIE, DESK_COMMAND, 2}, {COOKIE, DESK_COMMAND, 1}},
        {{COOKIE, DESK_RESPONSE, ANSWER}, {COOKIE, DESK_RESPONSE, ANSWER + 1}},
        {{COOKIE, DESK_REPLY, DESK_REPLY_SIZE}, {COOKIE, DESK_REPLY, DESK_REPLY_SIZE + 1}},
        {{COOKIE, DESK_KEPT, KEPT}, {COOKIE, DESK_KEPT, KEPT + 1}},
        {{COOKIE, DESK_REPLY, 2}, {COOKIE, DESK_REPLY, 1}},
        {{COOKIE, DESK_REPLY, 2}, {COOKIE, DESK_SCRATCH, 2}},
        {{COOKIE, DESK_REPLY, 2}, {COOKIE, DESK_BUFFERS, 2}},
    };
    struct desk_stream stream;

    (void)state;
    for (unsigned i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        enum journal_kind kind = i < 3 ? JOURNAL_IN : JOURNAL_OUT;

        bench.desk.head->in.msg_len = bench.desk.head->out.msg_len = 2;
        journal_note_move(bench.plain.journal, kind, &moves[i][0]);
        assert_true(end(&stream));
        journal_note_move(bench.plain.journal, kind, &moves[i][1]);
        assert_false(end(&stream));
        journal_note_move(bench.plain.journal, kind, &none);
        assert_true(end(&stream));
    }
}

static void test_connections_that_cannot_be_are_damage(void **state)
{
    struct desk_stream stream;

    (void)state;
    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        bench.state = (uint8_t)i;
        journal_touch(bench.plain.journal, &bench.mark);
        assert_int_equal(end(&stream),
                         i == CLIENT_OPEN || i == CLIENT_DRAINING || i == CLIENT_CLOSED);
    }
}

static void expect_run(struct record_run run, bool good)
{
    struct desk_stream stream;

    journal_run(bench.plain.journal, &run);
    assert_int_equal(end(&stream), good);
}

static void test_runs_that_cannot_be_are_damage(void **state)
{
    struct desk_stream stream;

    (void)state;
    expect_run((struct record_run){COOKIE, COMMAND, 0, RUN_TAKEN}, true);
    expect_run((struct record_run){COOKIE, COMMAND + 1, 0, RUN_TAKEN}, false);
    expect_run((struct record_run){COOKIE, HEADER_SIZE - 1, 0, RUN_SENT}, false);
    expect_run((struct record_run){0, COMMAND, 0, RUN_SENT}, false);
    expect_run((struct record_run){COOKIE, COMMAND, ANSWER + 1, RUN_ANSWERED}, false);
    expect_run((struct record_run){COOKIE, COMMAND, HEADER_SIZE - 1, RUN_ANSWERED}, false);
    expect_run((struct record_run){COOKIE, COMMAND, ANSWER, RUN_ANSWERED + 1}, false);
    expect_run((struct record_run){COOKIE, COMMAND, ANSWER, RUN_ANSWERED}, true);
    /* While a command is at hand nothing comes to its buffer. */
    note_move(JOURNAL_IN, COOKIE, DESK_COMMAND, COMMAND);
    assert_true(end(&stream));
    bench.desk.head->in.msg_len = 1;
    assert_false(end(&stream));
    bench.desk.head->in.msg_len = 0;
    bench.desk.head->command = UINT32_MAX;
    assert_false(end(&stream));
    bench.desk.head->command = COMMAND;
    assert_true(end(&stream));
    bench.in_gone = KEPT;
    journal_touch(bench.plain.journal, &bench.mark);
    assert_false(end(&stream));
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_received_bytes_are_behind_the_kept_ones),
        BENCH_TEST(test_sent_bytes_are_not_owed),
        BENCH_TEST(test_command_that_was_not_run_comes_again),
        BENCH_TEST(test_command_that_was_sent_is_lost),
        BENCH_TEST(test_answer_is_owed_once),
        BENCH_TEST(test_others_have_nothing_of_it),
        BENCH_TEST(test_counts_of_the_past_do_not_count),
        BENCH_TEST(test_what_cannot_be_is_damage),
        BENCH_TEST(test_connections_that_cannot_be_are_damage),
        BENCH_TEST(test_runs_that_cannot_be_are_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
