/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of a trace as bytes. */
#include "wire/trace-record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES 30 /* of the command and the response */

static struct trace_record full(void)
{
    struct trace_record record = {
        .flags = TRACE_RECORD_CANCELED | TRACE_RECORD_DENIED,
        .lost = UINT64_C(0x1112131415161718),
        .started = UINT64_C(0x2122232425262728),
        .number = UINT64_C(0x3132333435363738),
        .queue = UINT64_C(0x4142434445464748),
        .chip = UINT64_C(0x5152535455565758),
        .pid = 0x61626364,
        .uid = 0x71727374,
        .code = 0x81828384,
        .response_code = 0x91929394,
        .sent = {1, 2, 3, 4, 5},
        .way = TRACE_RECORD_BY_TPM,
        .locality = 3,
        .handle_count = COMMAND_MAX_HANDLES,
        .session_count = COMMAND_MAX_SESSIONS,
        .made = {0x80000001, 0x80000002},
        .program = "tpm2_sign",
        .bytes = {10, 20},
    };

    for (uint32_t i = 0; i < COMMAND_MAX_HANDLES; i++)
        record.handles[i] = (struct trace_record_handle){0x80000010 + i, 0x80000020 + i};
    for (uint32_t i = 0; i < COMMAND_MAX_SESSIONS; i++)
        record.sessions[i] = (struct command_session){0x02000000 + i, (uint8_t)(0x20 + i)};
    return record;
}

static void test_a_record_is_read_as_it_was_written(void **state)
{
    uint8_t message[TRACE_RECORD_SIZE + BYTES], again[TRACE_RECORD_SIZE];
    struct trace_record record = full(), read;
    size_t at;

    (void)state;
    memset(message, 0xA5, sizeof(message));
    trace_record_store(message, &record);
    assert_true(trace_record_load(&read, message, sizeof(message), &at));
    assert_int_equal(at, TRACE_RECORD_SIZE);
    trace_record_store(again, &read);
    assert_memory_equal(again, message, sizeof(again));
    assert_int_equal(read.lost, record.lost);
    assert_int_equal(read.chip, record.chip);
    assert_int_equal(read.handles[6].physical, 0x80000026);
    assert_int_equal(read.sessions[2].attributes, 0x22);
    assert_string_equal(read.program, "tpm2_sign");
    for (unsigned i = TRACE_RECORD_SIZE; i < sizeof(message); i++)
        assert_int_equal(message[i], 0xA5);
}

/* The places that the comment of the header tells. */
static void test_fields_stand_where_they_are_documented(void **state)
{
    uint8_t message[TRACE_RECORD_SIZE];
    struct trace_record record = full();

    (void)state;
    trace_record_store(message, &record);
    assert_int_equal(load_be16(message), 1);
    assert_int_equal(load_be16(message + 2), TRACE_RECORD_SIZE);
    assert_int_equal(load_be32(message + 4), 3);
    assert_int_equal(load_be64(message + 8), record.lost);
    assert_int_equal(load_be64(message + 16), record.started);
    assert_int_equal(load_be64(message + 24), record.number);
    assert_int_equal(load_be64(message + 32), record.queue);
    assert_int_equal(load_be64(message + 40), record.chip);
    assert_int_equal(load_be32(message + 48), record.pid);
    assert_int_equal(load_be32(message + 52), record.uid);
    assert_int_equal(load_be32(message + 56), record.code);
    assert_int_equal(load_be32(message + 60), record.response_code);
    assert_int_equal(load_be32(message + 80), record.sent[TRACE_RECORD_ASK]);
    assert_int_equal(message[84], TRACE_RECORD_BY_TPM);
    assert_int_equal(message[85], 3);
    assert_int_equal(message[86], 7);
    assert_int_equal(message[87], 3);
    assert_int_equal(load_be32(message + 92), 0x80000002);
    assert_int_equal(load_be32(message + 148), 0x80000026);
    assert_int_equal(load_be32(message + 172), 0x22);
    assert_string_equal((char *)message + 176, "tpm2_sign");
    assert_int_equal(load_be32(message + 244), 20);
}

/* A later version's fields are skipped. */
static void test_a_longer_record_is_read(void **state)
{
    uint8_t message[TRACE_RECORD_SIZE + 8 + BYTES] = {0};
    struct trace_record record = full(), read;
    size_t at;

    (void)state;
    trace_record_store(message, &record);
    store_be16(message + 2, TRACE_RECORD_SIZE + 8);
    assert_true(trace_record_load(&read, message, sizeof(message), &at));
    assert_int_equal(at, TRACE_RECORD_SIZE + 8);
}

/* What is no record, or one that lies about itself. */
static void test_other_bytes_are_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {
        {1, 2},                     /* another version */
        {3, TRACE_RECORD_SIZE - 1}, /* too short a record */
        {2, 2},                     /* a record past the end */
        {86, COMMAND_MAX_HANDLES + 1} /* more handles than there are */,
        {87, COMMAND_MAX_SESSIONS + 1},
        {176 + TRACE_RECORD_PROGRAM - 1, 'x'}, /* a name without end */
        {240, 0xFF},                           /* more bytes than there are */
        {247, 0},                              /* and fewer */
    };
    uint8_t message[TRACE_RECORD_SIZE + BYTES] = {0};
    struct trace_record record = full(), read;
    size_t at;

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        trace_record_store(message, &record);
        assert_true(trace_record_load(&read, message, sizeof(message), &at));
        message[lies[i].at] = lies[i].value;
        assert_false(trace_record_load(&read, message, sizeof(message), &at));
    }
    trace_record_store(message, &record);
    for (size_t size = 0; size < sizeof(message); size++)
        assert_false(trace_record_load(&read, message, size, &at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_is_read_as_it_was_written),
        cmocka_unit_test(test_fields_stand_where_they_are_documented),
        cmocka_unit_test(test_a_longer_record_is_read),
        cmocka_unit_test(test_other_bytes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
