/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses, contexts and lists of capabilities: cut at every length there is, and each size in
 * them with every value that could matter. */
#include "wire/response.h"

#include "wire-cases.h"
#include "wire/capability.h"
#include "wire/tpms-context.h"

/* The answer to wire_certify: four bytes of parameters, and two sessions. */
static const uint8_t answer[] = "\x80\x02\0\0\0\x26\0\0\0\0"
                                "\0\0\0\x04para"
                                "\0\0\x01\0\0"
                                "\0\x04nonc\x21\0\x06hmachm"
                                "";
#define ANSWER_SIZE (sizeof(answer) - 1)

static bool read_answer(struct response *response, const void *to, size_t to_size,
                        const void *bytes, size_t size)
{
    struct command command;
    uint8_t *copy = wire_exactly(bytes, size);
    bool good;

    assert_int_equal(wire_parse(&command, to, to_size), 0);
    good = response_parse(response, &command, copy, size);
    free(copy);
    return good;
}

static void test_R14_response_with_sessions_is_read(void **state)
{
    struct response response;

    (void)state;
    assert_int_equal(ANSWER_SIZE, 0x26);
    assert_true(read_answer(&response, wire_certify, CERTIFY_SIZE, answer, ANSWER_SIZE));
    assert_int_equal(response.code, 0);
    assert_int_equal(response.parameters_at, 14);
    assert_int_equal(response.parameters_size, 4);
    assert_int_equal(response.session_attributes[0], 1);
    assert_int_equal(response.session_attributes[1], 0x21);
}

static void test_R14_response_cut_at_every_length(void **state)
{
    struct response response;
    uint8_t bytes[ANSWER_SIZE + 1] = {0};

    (void)state;
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        memcpy(bytes, answer, ANSWER_SIZE);
        assert_int_equal(read_answer(&response, wire_certify, CERTIFY_SIZE, bytes, size),
                         size == ANSWER_SIZE);
        store_be32(bytes + 2, (uint32_t)size);
        assert_int_equal(read_answer(&response, wire_certify, CERTIFY_SIZE, bytes, size),
                         size == ANSWER_SIZE);
    }
}

static void test_R14_every_size_inside_a_response(void **state)
{
    static const struct {
        size_t at;
        unsigned width;
        uint32_t good;
    } fields[] = {{10, 4, 4}, {18, 2, 0}, {21, 2, 0}, {23, 2, 4}, {30, 2, 6}};
    static const uint32_t far[] = {UINT16_MAX, INT32_MAX, UINT32_MAX};
    struct response response;
    uint8_t bytes[ANSWER_SIZE];

    (void)state;
    for (unsigned field = 0; field < sizeof(fields) / sizeof(fields[0]); field++) {
        for (uint32_t i = 0; i < 48 + 3; i++) {
            uint32_t value = i < 48 ? i : far[i - 48];

            memcpy(bytes, answer, ANSWER_SIZE);
            if (fields[field].width == 2)
                store_be16(bytes + fields[field].at, (uint16_t)value);
            else
                store_be32(bytes + fields[field].at, value);
            assert_int_equal(read_answer(&response, wire_certify, CERTIFY_SIZE, bytes, ANSWER_SIZE),
                             value == fields[field].good);
        }
    }
}

static void test_R14_responses_without_sessions(void **state)
{
    static const uint8_t load[] = "\x80\x01\0\0\0\x0e\0\0\x01\x57\x80\0\0\0";
    static const uint8_t random[] = "\x80\x01\0\0\0\x0c\0\0\x01\x7b\0\x08";
    static const struct {
        const uint8_t *command;
        size_t command_size;
        const char *bytes;
        size_t size;
        bool good;
    } rows[] = {
        {random, 12, "\x80\x01\0\0\0\x0a\0\0\0\0", 10, true},
        {random, 12, "\x80\x01\0\0\0\x0e\0\0\0\0\0\2ab", 14, true},
        {random, 12, "\x80\x02\0\0\0\x0a\0\0\0\0", 10, false},   /* another tag */
        {random, 12, "\x80\x01\0\0\0\x0a\0\0\1\1", 10, true},    /* a refusal */
        {random, 12, "\0\xc4\0\0\0\x0a\0\0\0\x1e", 10, true},    /* one in the old way */
        {random, 12, "\x80\x01\0\0\0\x0b\0\0\1\1\0", 11, false}, /* with more behind it */
        {random, 12, "\x80\x01\0\0\0\x09\0\0\0\0", 10, false},   /* size field too small */
        {random, 12, "\x80\x01\0\0\0\x0b\0\0\0\0", 10, false},   /* too large */
        {random, 12, "\x80\x01\xff\xff\xff\xff\0\0\0\0", 10, false},
        {load, 14, "\x80\x01\0\0\0\x0a\0\0\0\0", 10, false}, /* no handle */
        {load, 14, "\x80\x01\0\0\0\x0d\0\0\0\0\x80\0\0", 13, false},
        {load, 14, "\x80\x01\0\0\0\x0e\0\0\0\0\x80\xff\xff\xff", 14, true},
        {load, 14, "\x80\x01\0\0\0\x0a\0\0\1\1", 10, true},
    };
    struct response response;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(read_answer(&response, rows[i].command, rows[i].command_size,
                                     rows[i].bytes, rows[i].size),
                         rows[i].good);
    assert_true(read_answer(&response, load, 14, rows[11].bytes, rows[11].size));
    assert_int_equal(response.handle, UINT32_C(0x80ffffff));
    assert_int_equal(response.parameters_at, 14);
    assert_int_equal(response.parameters_size, 0);
}

static void test_built_responses_are_read_back(void **state)
{
    static const uint8_t random[] = "\x80\x01\0\0\0\x0c\0\0\x01\x7b\0\x08";
    struct response response;
    uint8_t out[HEADER_SIZE + 4] = {0};

    (void)state;
    assert_int_equal(response_build_code(out, UINT32_C(0xB0101)), HEADER_SIZE);
    assert_memory_equal(out, "\x80\x01\0\0\0\x0a\0\x0b\1\1\0", 11);
    assert_true(read_answer(&response, random, 12, out, HEADER_SIZE));
    assert_int_equal(response.code, UINT32_C(0xB0101));
    assert_int_equal(response_build_success(out, sizeof(out)), sizeof(out));
    assert_true(read_answer(&response, random, 12, out, sizeof(out)));
    assert_int_equal(response.parameters_size, 4);
}

static void test_context_of_every_length(void **state)
{
    static const uint8_t bytes[] = "\0\0\0\1\0\0\0\2\x80\0\0\1\x40\0\0\7\0\x05sealed";
    struct tpms_context context = {0};

    (void)state;
    for (size_t size = 0; size < sizeof(bytes); size++) {
        uint8_t *copy = wire_exactly(bytes, size);

        assert_int_equal(tpms_context_parse(&context, copy, size),
                         size == CONTEXT_HEADER_BYTES + 5);
        free(copy);
    }
    assert_true(context.sequence == UINT64_C(0x100000002));
    assert_int_equal(context.saved_handle, CONTEXT_SEQUENCE);
    assert_int_equal(context.hierarchy, TPM2_RH_NULL);
}

static void test_context_of_every_blob_size(void **state)
{
    uint8_t bytes[CONTEXT_HEADER_BYTES] = {0};
    struct tpms_context context;

    (void)state;
    for (unsigned size = 0; size <= UINT16_MAX; size++) {
        store_be16(bytes + 16, (uint16_t)size);
        assert_int_equal(tpms_context_parse(&context, bytes, sizeof(bytes)), size == 0);
    }
}

static void test_list_of_every_length_and_count(void **state)
{
    static const size_t item_sizes[] = {4, 8};
    uint8_t bytes[CAPABILITY_ITEMS_AT + 33] = {0};
    struct capability_list list = {0};

    (void)state;
    store_be32(bytes + CAPABILITY_AT, TPM2_CAP_HANDLES);
    bytes[HEADER_SIZE] = 1;
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        for (uint32_t count = 0; count < 12; count++) {
            for (unsigned i = 0; i < 2; i++) {
                uint8_t *copy;
                bool good = size == CAPABILITY_ITEMS_AT + count * item_sizes[i];

                store_be32(bytes + CAPABILITY_COUNT_AT, count);
                copy = wire_exactly(bytes, size);
                assert_int_equal(
                    capability_list_parse(&list, copy, size, TPM2_CAP_HANDLES, item_sizes[i]),
                    good);
                if (good) {
                    assert_true(list.more);
                    assert_int_equal(list.count, count);
                    assert_ptr_equal(list.items, copy + CAPABILITY_ITEMS_AT);
                }
                free(copy);
            }
        }
    }
}

static void test_list_with_a_count_that_overflows(void **state)
{
    uint8_t bytes[CAPABILITY_ITEMS_AT + 8] = {0};
    struct capability_list list;

    (void)state;
    store_be32(bytes + CAPABILITY_AT, TPM2_CAP_HANDLES);
    store_be32(bytes + CAPABILITY_COUNT_AT, UINT32_C(0x40000002));
    assert_false(capability_list_parse(&list, bytes, sizeof(bytes), TPM2_CAP_HANDLES, 4));
    store_be32(bytes + CAPABILITY_COUNT_AT, 2);
    assert_true(capability_list_parse(&list, bytes, sizeof(bytes), TPM2_CAP_HANDLES, 4));
    assert_false(list.more);
    assert_false(capability_list_parse(&list, bytes, sizeof(bytes), TPM2_CAP_COMMANDS, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R14_response_with_sessions_is_read),
        cmocka_unit_test(test_R14_response_cut_at_every_length),
        cmocka_unit_test(test_R14_every_size_inside_a_response),
        cmocka_unit_test(test_R14_responses_without_sessions),
        cmocka_unit_test(test_built_responses_are_read_back),
        cmocka_unit_test(test_context_of_every_length),
        cmocka_unit_test(test_context_of_every_blob_size),
        cmocka_unit_test(test_list_of_every_length_and_count),
        cmocka_unit_test(test_list_with_a_count_that_overflows),
    };

    return cmocka_run_group_tests_name("wire-response", tests, NULL, NULL);
}
