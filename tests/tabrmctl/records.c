/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of a trace as lines, as JSON and as packets. */
#include "trace-capture.h"
#include "trace-text.h"

#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct view plain = {.columns = 0};

/* A Sign that cost a load, and a save and a flush before it. */
static struct trace_record sign(void)
{
    return (struct trace_record){
        .number = 7,
        .queue = 1500000,
        .chip = 91200000,
        .pid = 1234,
        .uid = 1000,
        .code = TPM2_CC_Sign,
        .sent = {1, 1, 1, 1, 0},
        .way = TRACE_RECORD_BY_TPM,
        .handle_count = 1,
        .session_count = 2,
        .handles = {{0x80000003, 0x80000001}},
        .sessions = {{TPM2_RS_PW, 0}, {0x03000001, TPMA_SESSION_ENCRYPT | TPMA_SESSION_AUDIT}},
        .program = "tpm2_sign",
    };
}

/* The line without its time, which depends on where the machine is. */
static void expect_line(const struct trace_record *record, const char *expected)
{
    g_autofree char *line = trace_text_line(record, 1234567, &plain);
    const char *rest = strstr(line, ".234567 ");

    assert_non_null(rest);
    assert_string_equal(rest + strlen(".234567 "), expected);
}

static void test_a_line_has_what_the_record_has(void **state)
{
    struct trace_record record = sign();

    (void)state;
    expect_line(&record, "#7 tpm2_sign[1234] Sign 0x80000003(0x80000001) password policy 0x03000001"
                         "+encrypt+audit -> success; waited 1.5ms, took 91.2ms, 1 save, 1 load, 1 "
                         "flush\n");
}

static void test_a_failure_is_told_in_words(void **state)
{
    struct trace_record record = {.code = TPM2_CC_ReadPublic,
                                  .response_code = TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1,
                                  .way = TRACE_RECORD_BY_TPM,
                                  .sent = {3},
                                  .locality = 2};
    g_autofree char *line = NULL;

    (void)state;
    line = trace_text_line(&record, 0, &plain);
    assert_non_null(strstr(line, " #0 - ReadPublic locality 2 -> tpm:session(1):"));
    assert_non_null(strstr(line, " (0x98E); waited 0us, took 0us, sent 3 times\n"));
}

/* What was lost stands in a line before; what the name of a program does to a terminal does not
 * happen. */
static void test_lost_lines_and_foreign_names(void **state)
{
    struct trace_record record = {.lost = 35, .code = 0x20000001, .program = "a\x1b[2J"};
    g_autofree char *line = trace_text_line(&record, 0, &plain);

    (void)state;
    assert_true(g_str_has_prefix(line, "35 lines lost\n"));
    assert_non_null(strstr(line, " a\\x1b[2J 0x20000001 -> success"));
    assert_null(strchr(line, '\x1b'));
}

static void test_each_way_has_a_word(void **state)
{
    static const struct {
        uint8_t way;
        uint32_t flags;
        const char *word;
    } ways[] = {
        {TRACE_RECORD_REFUSED, 0, ", refused\n"},
        {TRACE_RECORD_REFUSED, TRACE_RECORD_DENIED, ", denied\n"},
        {TRACE_RECORD_REFUSED, TRACE_RECORD_CANCELED, ", canceled\n"},
        {TRACE_RECORD_BY_MANAGER, 0, ", by manager\n"},
        {TRACE_RECORD_BY_CACHE, 0, ", by cache\n"},
        {TRACE_RECORD_BY_TPM, 0, "took 0us\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct trace_record record = {.way = ways[i].way, .flags = ways[i].flags};
        g_autofree char *line = trace_text_line(&record, 0, &plain);

        assert_true(g_str_has_suffix(line, ways[i].word));
    }
}

static void test_json_has_the_same(void **state)
{
    struct trace_record record = sign();
    g_autofree char *text = trace_text_json(&record, 1234567);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object, *handle, *session;

    (void)state;
    assert_null(strchr(text, '\n'));
    assert_true(json_parser_load_from_data(parser, text, -1, NULL));
    object = json_node_get_object(json_parser_get_root(parser));
    assert_int_equal(json_object_get_int_member(object, "time_us"), 1234567);
    assert_int_equal(json_object_get_int_member(object, "connection"), 7);
    assert_int_equal(json_object_get_int_member(object, "chip_time_us"), 91200);
    assert_string_equal(json_object_get_string_member(object, "command"), "Sign");
    assert_string_equal(json_object_get_string_member(object, "answered_by"), "tpm");
    assert_true(json_object_get_null_member(object, "made"));
    handle = json_array_get_object_element(json_object_get_array_member(object, "handles"), 0);
    assert_int_equal(json_object_get_int_member(handle, "tpm_handle"), 0x80000001);
    session = json_array_get_object_element(json_object_get_array_member(object, "sessions"), 1);
    assert_string_equal(json_object_get_string_member(session, "kind"), "policy");
    assert_int_equal(json_array_get_length(json_object_get_array_member(session, "attributes")), 2);
    assert_int_equal(
        json_object_get_int_member(json_object_get_object_member(object, "sent"), "load"), 1);
}

/* What a block of a capture says of itself, in this machine's order. */
static uint32_t word(const GString *file, gsize at)
{
    uint32_t value;

    assert_true(at + sizeof(value) <= file->len);
    memcpy(&value, file->str + at, sizeof(value));
    return value;
}

/* Where block number `index` begins; each is well-formed. */
static gsize block(const GString *file, unsigned index)
{
    gsize at = 0;

    for (;; index--) {
        uint32_t size = word(file, at + 4);

        assert_int_equal(size % 4, 0);
        assert_int_equal(word(file, at + size - 4), size);
        if (index == 0)
            return at;
        at += size;
    }
}

static void test_a_capture_has_two_packets_for_a_record(void **state)
{
    static const uint8_t bytes[] = "command!response"; /* 8 bytes each */
    struct trace_capture *capture = trace_capture_new();
    struct trace_record record = sign();
    GString *file = g_string_new(NULL);
    const uint8_t *packet;
    gsize at;

    (void)state;
    trace_capture_begin(file);
    trace_capture_add(capture, file, &record, bytes, 0x100000005);
    at = file->len;
    assert_int_equal(word(file, block(file, 0)), 0x0A0D0D0A);
    assert_int_equal(word(file, block(file, 1)), 1);
    /* A record without bytes makes none. */
    record.bytes = (struct trace_record_bytes){8, 8};
    trace_capture_add(capture, file, &record, bytes, 0x100000005);
    assert_int_equal(block(file, 2), at);
    assert_int_equal(word(file, at), 6);
    assert_int_equal(word(file, at + 12), 1);
    assert_int_equal(word(file, at + 16), 5);
    assert_int_equal(word(file, at + 20), 48);
    packet = (const uint8_t *)file->str + at + 28;
    assert_int_equal(load_be16(packet + 20), 10007);
    assert_int_equal(load_be16(packet + 22), 2321);
    assert_memory_equal(packet + 40, "command!", 8);
    packet = (const uint8_t *)file->str + block(file, 3) + 28;
    assert_int_equal(load_be16(packet + 20), 2321);
    assert_int_equal(load_be32(packet + 28), 8); /* all of the command is acknowledged */
    assert_memory_equal(packet + 40, "response", 8);
    g_string_free(file, TRUE);
    trace_capture_free(capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_what_the_record_has),
        cmocka_unit_test(test_a_failure_is_told_in_words),
        cmocka_unit_test(test_lost_lines_and_foreign_names),
        cmocka_unit_test(test_each_way_has_a_word),
        cmocka_unit_test(test_json_has_the_same),
        cmocka_unit_test(test_a_capture_has_two_packets_for_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
