/* SPDX-License-Identifier: BSD-2-Clause */
/* The bridge's protocols as functions of bytes. */
#include "bridge-protocol.h"

#include "wire/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANDOM_STREAMS 20000

struct sample {
    bridge_look *look;
    enum bridge_action action;
    size_t size, reply_size;
    uint8_t bytes[24];
    uint8_t reply[16];
};

static bridge_look *mssim, *swtpm;

/* Copies to memory of just that size, so that a sanitizer sees a look beyond it. */
static void look(bridge_look *function, const uint8_t *bytes, size_t have,
                 struct bridge_request *request)
{
    uint8_t *copy = malloc(have > 0 ? have : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, have);
    function(copy, have, request);
    if (request->action == BRIDGE_COMMAND) {
        assert_true(request->command >= copy);
        assert_true(request->command + request->command_size <= copy + have);
    }
    free(copy);
}

static void check_sample(const struct sample *sample)
{
    struct bridge_request request;

    for (size_t have = 0; have < sample->size; have++) {
        look(sample->look, sample->bytes, have, &request);
        assert_int_equal(request.action, BRIDGE_WAIT);
    }
    look(sample->look, sample->bytes, sample->size, &request);
    assert_int_equal(request.action, sample->action);
    if (request.action != BRIDGE_BAD)
        assert_int_equal(request.size, sample->size);
    assert_int_equal(request.reply_size, sample->reply_size);
    assert_memory_equal(request.reply, sample->reply, sample->reply_size);
}

static void test_a_request_waits_for_its_last_byte(void **state)
{
    const struct sample samples[] = {
        {bridge_raw_look, BRIDGE_COMMAND, 12, 0, {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 8}, {0}},
        {mssim, BRIDGE_COMMAND, 19, 0, {0, 0, 0, 8, 2, 0, 0, 0, 10, 0x80, 1}, {0}},
        {mssim, BRIDGE_ANSWER, 8, 12, {0, 0, 0, 15, 0, 0, 0, 1}, {0, 0, 0, 1, 0, 0, 0, 3}},
        {mssim, BRIDGE_ANSWER, 11, 4, {0, 0, 0, 6, 0, 0, 0, 3, 1, 2, 3}, {0}},
        {mssim, BRIDGE_ANSWER, 8, 8, {0, 0, 0, 26, 0x40}, {0}},
        {mssim, BRIDGE_ANSWER, 4, 4, {0, 0, 0, 1}, {0}},
        {mssim, BRIDGE_CANCEL, 4, 4, {0, 0, 0, 9}, {0}},
        {mssim, BRIDGE_END, 4, 0, {0, 0, 0, 20}, {0}},
        {mssim, BRIDGE_BAD, 4, 0, {0, 0, 0, 99}, {0}},
        {swtpm, BRIDGE_ANSWER, 4, 8, {0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0x3C, 0xEF}},
        {swtpm, BRIDGE_ANSWER, 8, 4, {0, 0, 0, 2, 0, 0, 0, 1}, {0}},
        {swtpm, BRIDGE_LOCALITY, 5, 4, {0, 0, 0, 5, 1}, {0}},
        {swtpm, BRIDGE_CANCEL, 4, 4, {0, 0, 0, 9}, {0}},
        {swtpm, BRIDGE_DATA, 4, 4, {0, 0, 0, 16}, {0}},
        {swtpm, BRIDGE_ANSWER, 4, 4, {0, 0, 0, 12}, {0, 0, 0, 10}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
        check_sample(&samples[i]);
}

static void test_sizes_out_of_bounds_are_no_requests(void **state)
{
    static const uint8_t raw[] = {0x80, 1, 0, 0, 0x10, 1};
    static const uint8_t command[] = {0, 0, 0, 8, 0, 0, 0, 0x10, 1};
    static const uint8_t data[] = {0, 0, 0, 6, 0xFF, 0xFF, 0xFF, 0xFF};
    struct bridge_request request;

    (void)state;
    look(bridge_raw_look, raw, sizeof(raw), &request);
    assert_int_equal(request.action, BRIDGE_BAD);
    look(mssim, command, sizeof(command), &request);
    assert_int_equal(request.action, BRIDGE_BAD);
    look(mssim, data, sizeof(data), &request);
    assert_int_equal(request.action, BRIDGE_BAD);
}

/* Whatever comes: the request is in the bytes, or more are wanted than there are. */
static void test_any_bytes_are_read_within_bounds(void **state)
{
    bridge_look *const looks[] = {bridge_raw_look, mssim, swtpm};
    uint64_t seed = 88172645463325252u; /* of xorshift */
    uint8_t bytes[BRIDGE_REQUEST_MAX];
    struct bridge_request request;

    (void)state;
    for (unsigned i = 0; i < RANDOM_STREAMS; i++) {
        size_t have;

        for (size_t k = 0; k < 16; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[k] = seed % 4 ? 0 : (uint8_t)(seed >> 32);
        }
        bytes[3] = (uint8_t)(seed >> 40) % 32;
        have = i % 8 ? seed % 16 : sizeof(bytes);
        look(looks[i % 3], bytes, have, &request);
        if (request.action == BRIDGE_WAIT)
            assert_true(have < sizeof(bytes));
        else
            assert_true(request.size <= have && request.reply_size <= sizeof(request.reply));
    }
}

static void test_a_response_is_wrapped_as_the_protocol_has_it(void **state)
{
    static const uint8_t wrapped[] = {0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0};
    static uint8_t response[BRIDGE_TPM_MAX] = {1, 2, 3}, reply[BRIDGE_REPLY_MAX];

    (void)state;
    assert_int_equal(bridge_mssim_protocol.wrap(response, 3, reply), sizeof(wrapped));
    assert_memory_equal(reply, wrapped, sizeof(wrapped));
    assert_int_equal(bridge_mssim_protocol.wrap(response, sizeof(response), reply), sizeof(reply));
    assert_int_equal(bridge_swtpm_protocol.wrap(response, 3, reply), 3);
    assert_memory_equal(reply, response, 3);
}

static void test_protocols_have_names(void **state)
{
    (void)state;
    assert_ptr_equal(bridge_protocol_find("raw"), &bridge_raw_protocol);
    assert_ptr_equal(bridge_protocol_find("mssim"), &bridge_mssim_protocol);
    assert_ptr_equal(bridge_protocol_find("swtpm"), &bridge_swtpm_protocol);
    assert_null(bridge_protocol_find("tis"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_waits_for_its_last_byte),
        cmocka_unit_test(test_sizes_out_of_bounds_are_no_requests),
        cmocka_unit_test(test_any_bytes_are_read_within_bounds),
        cmocka_unit_test(test_a_response_is_wrapped_as_the_protocol_has_it),
        cmocka_unit_test(test_protocols_have_names),
    };

    mssim = bridge_mssim_protocol.control;
    swtpm = bridge_swtpm_protocol.control;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
