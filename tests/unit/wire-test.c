/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers, command tables and commands. A well-formed command is cut at every length there is, and
 * each size in it takes every value that could matter. */
#include "wire-cases.h"

static void test_integers_are_big_endian(void **state)
{
    uint8_t bytes[4];

    (void)state;
    store_be32(bytes, UINT32_C(0xfedcba98));
    assert_memory_equal(bytes, "\xfe\xdc\xba\x98", 4);
    assert_int_equal(load_be32(bytes), UINT32_C(0xfedcba98));
    store_be16(bytes + 1, 0xabcd);
    assert_memory_equal(bytes, "\xfe\xab\xcd\x98", 4);
    assert_int_equal(load_be16(bytes), 0xfeab);
    assert_true(load_be64((const uint8_t *)"\x80\1\2\3\xff\xfe\xfd\xfc")
                == UINT64_C(0x80010203fffefdfc));
}

static void test_header_is_written_as_it_is_read(void **state)
{
    uint8_t bytes[HEADER_SIZE];
    struct header header;

    (void)state;
    header_store(bytes, 0x8002, UINT32_C(0xfffffff6), UINT32_C(0x20000123));
    assert_memory_equal(bytes, "\x80\x02\xff\xff\xff\xf6\x20\0\1\x23", HEADER_SIZE);
    header = header_load(bytes);
    assert_int_equal(header.tag, 0x8002);
    assert_int_equal(header.size, UINT32_C(0xfffffff6));
    assert_int_equal(header.code, UINT32_C(0x20000123));
}

static void test_table_is_in_order_whatever_the_order_of_adding(void **state)
{
    struct command_table table;

    (void)state;
    wire_fill_table(&table);
    assert_int_equal(table.count, 9);
    for (uint32_t i = 1; i < table.count; i++)
        assert_true(command_attributes_code(table.attributes[i - 1])
                    < command_attributes_code(table.attributes[i]));
    assert_int_equal(table.attributes[table.count - 1], CC_VENDOR);
}

static void test_table_finds_what_it_has_and_nothing_else(void **state)
{
    struct command_table table, empty = {0};

    (void)state;
    wire_fill_table(&table);
    for (uint32_t i = 0; i < table.count; i++)
        assert_int_equal(command_table_find(&table, command_attributes_code(table.attributes[i])),
                         (int)i);
    assert_int_equal(command_table_find(&table, 0), -1);
    assert_int_equal(command_table_find(&table, TPM2_CC_GetRandom + 1), -1);
    assert_int_equal(command_table_find(&table, UINT32_MAX), -1);
    /* The same number without the vendor bit is another command. */
    assert_int_equal(command_table_find(&table, 0x42), -1);
    assert_int_equal(command_table_find(&empty, TPM2_CC_GetRandom), -1);
    assert_int_equal(command_table_find(&empty, 0), -1);
}

static void test_table_keeps_a_command_once_and_its_limit(void **state)
{
    struct command_table table = {0};

    (void)state;
    for (uint32_t i = COMMAND_TABLE_MAX; i > 0; i--)
        assert_true(command_table_add(&table, i));
    assert_int_equal(table.count, COMMAND_TABLE_MAX);
    assert_true(command_table_add(&table, 1 | TPMA_CC_RHANDLE));
    assert_int_equal(table.attributes[0], 1);
    assert_false(command_table_add(&table, 0));
    assert_false(command_table_add(&table, COMMAND_TABLE_MAX + 1));
    assert_int_equal(table.count, COMMAND_TABLE_MAX);
    assert_int_equal(command_table_find(&table, COMMAND_TABLE_MAX), COMMAND_TABLE_MAX - 1);
}

static void test_attributes_are_those_of_the_specification(void **state)
{
    (void)state;
    assert_int_equal(command_attributes_code(UINT32_C(0xffffffff)), UINT32_C(0x2000ffff));
    assert_int_equal(command_attributes_handles(UINT32_C(0xffffffff)), 7);
    assert_int_equal(command_attributes_handles(UINT32_C(0x02000000)), 1);
    assert_int_equal(command_attributes_handles(UINT32_C(0xf1ffffff)), 0);
    assert_true(command_attributes_response_handle(UINT32_C(0x10000000)));
    assert_false(command_attributes_response_handle(UINT32_C(0xefffffff)));
    assert_true(command_attributes_flushed(UINT32_C(0x01000000)));
    assert_false(command_attributes_flushed(UINT32_C(0xfeffffff)));
}

static void test_command_with_sessions_is_read(void **state)
{
    struct command command;

    (void)state;
    assert_int_equal(CERTIFY_SIZE, 0x36);
    assert_int_equal(wire_parse(&command, wire_certify, CERTIFY_SIZE), 0);
    assert_int_equal(command.size, CERTIFY_SIZE);
    assert_int_equal(command.tag, TPM2_ST_SESSIONS);
    assert_int_equal(command.code, TPM2_CC_Certify);
    assert_int_equal(command.attributes, CC_CERTIFY);
    assert_true(command.table_index >= 0);
    assert_int_equal(command.handle_count, 2);
    assert_int_equal(command.handles[0], UINT32_C(0x80000001));
    assert_int_equal(command.handles[1], UINT32_C(0x81000002));
    assert_int_equal(command.session_count, 2);
    assert_int_equal(command.sessions[0].handle, TPM2_RS_PW);
    assert_int_equal(command.sessions[0].attributes, 1);
    assert_int_equal(command.sessions[1].handle, UINT32_C(0x02000000));
    assert_int_equal(command.sessions[1].attributes, 0x21);
    assert_int_equal(command.parameters_at, CERTIFY_PARAMETERS);
    assert_int_equal(command_parameters_size(&command), 4);
}

static void test_handles_are_where_they_stand(void **state)
{
    struct command_table table;
    uint8_t *bytes = wire_exactly(wire_certify, CERTIFY_SIZE);
    struct command command;

    (void)state;
    wire_fill_table(&table);
    assert_int_equal(command_parse(&command, &table, bytes, CERTIFY_SIZE), 0);
    assert_ptr_equal(command_handle_at(bytes, 0), bytes + CERTIFY_HANDLES);
    assert_ptr_equal(command_handle_at(bytes, 1), bytes + CERTIFY_HANDLES + 4);
    free(bytes);
}

/* What a command whose size field is right is short of when it ends at `size`. */
static uint32_t expected_of_cut(size_t size)
{
    if (size < HEADER_SIZE)
        return TPM2_RC_COMMAND_SIZE;
    if (size < CERTIFY_AREA)
        return TPM2_RC_INSUFFICIENT;
    return size < CERTIFY_PARAMETERS ? TPM2_RC_AUTHSIZE : 0;
}

static void test_R13_command_cut_at_every_length(void **state)
{
    struct command command;
    uint8_t bytes[CERTIFY_SIZE];

    (void)state;
    for (size_t size = 0; size <= CERTIFY_SIZE; size++) {
        memcpy(bytes, wire_certify, CERTIFY_SIZE);
        /* The size field of the whole, then one that fits. */
        assert_int_equal(wire_parse(&command, bytes, size),
                         size == CERTIFY_SIZE ? 0 : TPM2_RC_COMMAND_SIZE);
        store_be32(bytes + 2, (uint32_t)size);
        assert_int_equal(wire_parse(&command, bytes, size), expected_of_cut(size));
        assert_true(command.parameters_at <= size || size < HEADER_SIZE);
    }
}

static void test_R13_every_authorization_size(void **state)
{
    struct command command;
    uint8_t bytes[CERTIFY_SIZE];

    (void)state;
    memcpy(bytes, wire_certify, CERTIFY_SIZE);
    for (uint32_t area = 0; area < 2 * CERTIFY_SIZE; area++) {
        /* Where one session ends, and where two do. */
        bool fits = area == 9 || area == 28;

        store_be32(bytes + CERTIFY_AREA, area);
        assert_int_equal(wire_parse(&command, bytes, CERTIFY_SIZE), fits ? 0 : TPM2_RC_AUTHSIZE);
        if (fits)
            assert_int_equal(command.parameters_at, CERTIFY_AREA + 4 + area);
    }
    store_be32(bytes + CERTIFY_AREA, UINT32_MAX);
    assert_int_equal(wire_parse(&command, bytes, CERTIFY_SIZE), TPM2_RC_AUTHSIZE);
    store_be32(bytes + CERTIFY_AREA, INT32_MAX);
    assert_int_equal(wire_parse(&command, bytes, CERTIFY_SIZE), TPM2_RC_AUTHSIZE);
}

static void test_R13_every_nonce_and_hmac_size(void **state)
{
    struct command command;
    uint8_t bytes[CERTIFY_SIZE];

    (void)state;
    for (unsigned size = 0; size <= UINT16_MAX; size += size < 64 ? 1 : 4093) {
        memcpy(bytes, wire_certify, CERTIFY_SIZE);
        store_be16(bytes + 35, (uint16_t)size); /* of the second nonce, whose size is 4 */
        /* With 3 the bytes behind the nonce say an HMAC of another size. */
        assert_int_equal(wire_parse(&command, bytes, CERTIFY_SIZE),
                         size == 4 ? 0 : TPM2_RC_AUTHSIZE);
        memcpy(bytes, wire_certify, CERTIFY_SIZE);
        store_be16(bytes + 42, (uint16_t)size); /* of the second HMAC, whose size is 6 */
        assert_int_equal(wire_parse(&command, bytes, CERTIFY_SIZE),
                         size == 6 ? 0 : TPM2_RC_AUTHSIZE);
    }
}

/* GetRandom with this many password sessions. */
static size_t build_sessions(uint8_t *out, uint32_t code, unsigned sessions)
{
    size_t size = HEADER_SIZE + 4 + 9 * (size_t)sessions;

    memset(out, 0, size);
    header_store(out, TPM2_ST_SESSIONS, (uint32_t)size, code);
    store_be32(out + HEADER_SIZE, 9 * sessions);
    for (unsigned i = 0; i < sessions; i++)
        store_be32(out + HEADER_SIZE + 4 + 9 * (size_t)i, TPM2_RS_PW);
    return size;
}

static void test_R13_three_sessions_at_the_most(void **state)
{
    struct command command;
    uint8_t bytes[128];

    (void)state;
    for (unsigned sessions = 0; sessions <= 6; sessions++) {
        size_t size = build_sessions(bytes, TPM2_CC_GetRandom, sessions);
        bool good = sessions >= 1 && sessions <= 3;

        assert_int_equal(wire_parse(&command, bytes, size), good ? 0 : TPM2_RC_AUTHSIZE);
        assert_true(command.session_count <= COMMAND_MAX_SESSIONS);
        if (good)
            assert_int_equal(command.session_count, sessions);
    }
}

static void test_R13_headers(void **state)
{
    static const struct {
        uint16_t tag;
        uint32_t code, expected;
    } rows[] = {
        {TPM2_ST_NO_SESSIONS, TPM2_CC_GetRandom, 0},
        {TPM2_ST_NO_SESSIONS, 0x20000042, 0},
        {TPM2_ST_NO_SESSIONS, TPM2_CC_Certify, TPM2_RC_INSUFFICIENT},
        {TPM2_ST_SESSIONS, TPM2_CC_Certify, TPM2_RC_INSUFFICIENT},
        {TPM2_ST_SESSIONS, TPM2_CC_GetRandom, TPM2_RC_AUTHSIZE},
        {TPM2_ST_SESSIONS, TPM2_CC_Startup, TPM2_RC_AUTH_CONTEXT},
        {TPM2_ST_SESSIONS, TPM2_CC_FlushContext, TPM2_RC_AUTH_CONTEXT},
        {TPM2_ST_SESSIONS, TPM2_CC_ContextLoad, TPM2_RC_AUTH_CONTEXT},
        {TPM2_ST_SESSIONS, TPM2_CC_ContextSave, TPM2_RC_INSUFFICIENT},
        {TPM2_ST_NO_SESSIONS, 0x42, TPM2_RC_COMMAND_CODE},
        {TPM2_ST_NO_SESSIONS, 0, TPM2_RC_COMMAND_CODE},
        {TPM2_ST_NO_SESSIONS, UINT32_MAX, TPM2_RC_COMMAND_CODE},
        {TPM2_ST_SESSIONS, UINT32_MAX, TPM2_RC_COMMAND_CODE},
        {0, TPM2_CC_GetRandom, TPM2_RC_BAD_TAG},
        {0x00c1, TPM2_CC_GetRandom, TPM2_RC_BAD_TAG},
        {0x8000, TPM2_CC_GetRandom, TPM2_RC_BAD_TAG},
        {0x8003, TPM2_CC_GetRandom, TPM2_RC_BAD_TAG},
        {0xffff, UINT32_MAX, TPM2_RC_BAD_TAG},
    };
    struct command command;
    uint8_t bytes[HEADER_SIZE];

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        header_store(bytes, rows[i].tag, HEADER_SIZE, rows[i].code);
        assert_int_equal(wire_parse(&command, bytes, HEADER_SIZE), rows[i].expected);
        assert_int_equal(command.tag, rows[i].tag);
        assert_int_equal(command.code, rows[i].code);
    }
}

static void test_R12_sizes_that_disagree(void **state)
{
    static const uint32_t sizes[] = {0, 9, 10, 11, 13, 14, 22, UINT32_MAX, 0x0c000000};
    struct command command;
    uint8_t bytes[12];

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        header_store(bytes, TPM2_ST_NO_SESSIONS, sizes[i], TPM2_CC_GetRandom);
        store_be16(bytes + 10, 8);
        assert_int_equal(wire_parse(&command, bytes, sizeof(bytes)), TPM2_RC_COMMAND_SIZE);
    }
}

static void test_seven_handles_fit(void **state)
{
    struct command command;
    uint8_t bytes[HEADER_SIZE + 7 * 4] = {0};

    (void)state;
    for (size_t size = HEADER_SIZE; size <= sizeof(bytes); size++) {
        header_store(bytes, TPM2_ST_NO_SESSIONS, (uint32_t)size, 0x1FF);
        store_be32(bytes + sizeof(bytes) - 4, 7);
        assert_int_equal(wire_parse(&command, bytes, size),
                         size < sizeof(bytes) ? TPM2_RC_INSUFFICIENT : 0);
        assert_int_equal(command.handle_count, (size - HEADER_SIZE) / 4);
    }
    assert_int_equal(command.handles[6], 7);
    assert_int_equal(command_parameters_size(&command), 0);
}

static void test_own_commands_have_the_bytes_of_the_specification(void **state)
{
    uint8_t out[COMMAND_OWN_SIZE + 8];

    (void)state;
    memset(out, 0xEE, sizeof(out));
    assert_int_equal(command_build_startup(out, TPM2_SU_STATE), 12);
    assert_memory_equal(out, "\x80\x01\0\0\0\x0c\0\0\x01\x44\0\x01\xEE", 13);
    assert_int_equal(command_build_get_capability(out, 1, UINT32_C(0x80000002), 3), 22);
    assert_memory_equal(out, "\x80\x01\0\0\0\x16\0\0\x01\x7a\0\0\0\1\x80\0\0\2\0\0\0\3\xEE", 23);
    memset(out, 0xEE, sizeof(out));
    assert_int_equal(command_build_flush_context(out, UINT32_C(0x80000003)), 14);
    assert_memory_equal(out, "\x80\x01\0\0\0\x0e\0\0\x01\x65\x80\0\0\3\xEE", 15);
    assert_int_equal(command_build_context_save(out, UINT32_C(0x02000001)), 14);
    assert_memory_equal(out, "\x80\x01\0\0\0\x0e\0\0\x01\x62\x02\0\0\1\xEE", 15);
    assert_int_equal(command_build_context_load(out, (const uint8_t *)"contents", 8), 18);
    assert_memory_equal(out,
                        "\x80\x01\0\0\0\x12\0\0\x01\x61"
                        "contents\xEE",
                        19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_big_endian),
        cmocka_unit_test(test_header_is_written_as_it_is_read),
        cmocka_unit_test(test_table_is_in_order_whatever_the_order_of_adding),
        cmocka_unit_test(test_table_finds_what_it_has_and_nothing_else),
        cmocka_unit_test(test_table_keeps_a_command_once_and_its_limit),
        cmocka_unit_test(test_attributes_are_those_of_the_specification),
        cmocka_unit_test(test_command_with_sessions_is_read),
        cmocka_unit_test(test_handles_are_where_they_stand),
        cmocka_unit_test(test_R13_command_cut_at_every_length),
        cmocka_unit_test(test_R13_every_authorization_size),
        cmocka_unit_test(test_R13_every_nonce_and_hmac_size),
        cmocka_unit_test(test_R13_three_sessions_at_the_most),
        cmocka_unit_test(test_R13_headers),
        cmocka_unit_test(test_R12_sizes_that_disagree),
        cmocka_unit_test(test_seven_handles_fit),
        cmocka_unit_test(test_own_commands_have_the_bytes_of_the_specification),
    };

    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
