/* SPDX-License-Identifier: BSD-2-Clause */
/* What the manager tells of a command for a trace. */
#include "rm/trace-report.h"

#include "rm-script.h"
#include "rm/rc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECRET UINT32_C(0x5EC2E75E)

/* Sends a client's command with these handles. */
static struct trace_report send_named(struct rm_script *script, uint32_t code, unsigned count,
                                      uint32_t first, uint32_t second)
{
    uint8_t command[HEADER_SIZE + 8];
    struct trace_report report;

    header_store(command, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 4 * count, code);
    store_be32(command + HEADER_SIZE, first);
    store_be32(command + HEADER_SIZE + 4, second);
    trace_report_execute(script->rm, script->clients[0], command, HEADER_SIZE + 4 * count,
                         script->response, &report);
    return report;
}

static void test_handles_of_the_client_and_of_the_chip(void **state)
{
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, 0x80000007);
    uint32_t second = rm_script_make(script, 0, 0x80000008);
    struct trace_report report;

    expect_named(script, CC_BOTH, 2, 0x80000008, 0x80000007, TPM2_RC_SUCCESS);
    report = send_named(script, CC_BOTH, 2, second, first);
    assert_int_equal(report.handle_count, 2);
    assert_int_equal(report.handles[0], second);
    assert_int_equal(report.physical[0], 0x80000008);
    assert_int_equal(report.handles[1], first);
    assert_int_equal(report.physical[1], 0x80000007);
    assert_int_equal(report.cost.sent[TRACE_OWN], 1);
    assert_int_equal(report.made, 0);
    assert_false(report.denied);
    rm_script_end(script);
}

static void test_the_handle_that_a_command_makes(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange = expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);
    struct trace_report report;

    store_be32(exchange->response + HEADER_SIZE, 0x80000005);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    report = send_named(script, CC_MAKE, 0, 0, 0);
    assert_int_equal(report.made, load_be32(script->response + HEADER_SIZE));
    assert_int_not_equal(report.made, 0x80000005);
    assert_int_equal(report.made_physical, 0x80000005);
    rm_script_end(script);
}

/* A name that is not the client's never reaches the chip, and has no handle there. */
static void test_a_refused_command_has_no_handles_of_the_chip(void **state)
{
    struct rm_script *script = *state;
    uint32_t others = rm_script_make(script, 1, 0x80000007);
    struct trace_report report = send_named(script, CC_USE, 1, others + 1, 0);

    assert_int_equal(header_load(script->response).code, RM_RC_HANDLE(0));
    assert_int_equal(report.handle_count, 1);
    assert_int_equal(report.physical[0], 0);
    assert_int_equal(report.cost.sent[TRACE_OWN], 0);
    assert_int_equal(report.cost.way, TRACE_WAY_REFUSED);
    rm_script_end(script);
}

/* A command that names a key which had to leave costs a load, and the chip's handle is the new
 * one. */
static void test_what_was_moved_for_a_command(void **state)
{
    const struct script_context contexts[] = {{7, 0x80000000, TPM2_RH_OWNER}};
    struct rm_script *script = *state;
    uint32_t first = rm_script_make(script, 0, 0x80000000);
    struct exchange *exchange;
    struct trace_report report;

    rm_script_make(script, 0, 0x80000001);
    rm_script_make(script, 0, 0x80000002);
    expect_save(script, 0x80000000, &contexts[0]);
    expect_named(script, TPM2_CC_FlushContext, 1, 0x80000000, 0, TPM2_RC_SUCCESS);
    exchange = expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);
    store_be32(exchange->response + HEADER_SIZE, 0x80000000);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    report = send_named(script, CC_MAKE, 0, 0, 0);
    assert_int_equal(report.cost.sent[TRACE_SAVE], 1);
    assert_int_equal(report.cost.sent[TRACE_FLUSH], 1);
    assert_int_equal(report.cost.sent[TRACE_LOAD], 0);
    assert_int_not_equal(report.made, first);
    rm_script_end(script);
}

/* TPM2_FlushContext has its handle in its parameters. */
static void test_R95_no_parameter_is_told(void **state)
{
    struct rm_script *script = *state;
    uint32_t handle = rm_script_make(script, 0, 0x80000007);
    struct trace_report report;

    expect_named(script, CC_PLAIN, 1, SECRET, 0, TPM2_RC_SUCCESS);
    report = send_named(script, CC_PLAIN, 1, SECRET, 0);
    assert_int_equal(report.handle_count, 0);
    assert_int_equal(report.handles[0], 0);
    report = send_named(script, TPM2_CC_FlushContext, 1, handle, 0);
    assert_int_equal(report.cost.way, TRACE_WAY_MANAGER);
}

/* One entry of an authorization area: handle, nonce, attributes, HMAC. */
static size_t add_auth(uint8_t *bytes, uint32_t handle, uint8_t attributes, uint16_t hmac)
{
    store_be32(bytes, handle);
    store_be16(bytes + 4, 0);
    bytes[6] = attributes;
    store_be16(bytes + 7, hmac);
    store_be32(bytes + 9, SECRET);
    return 13;
}

static struct trace_report send_auth(struct rm_script *script, uint32_t area, uint16_t hmac)
{
    uint8_t command[64];
    struct trace_report report;
    size_t size = HEADER_SIZE + 4;

    store_be32(command + HEADER_SIZE, area);
    size += add_auth(command + size, TPM2_RS_PW, TPMA_SESSION_CONTINUESESSION, hmac);
    header_store(command, TPM2_ST_SESSIONS, (uint32_t)size, CC_PLAIN);
    if (hmac == 4) {
        struct exchange *exchange = chip_script_next(&script->chip);

        memcpy(exchange->command, command, size);
        exchange->command_size = size;
        exchange->size = response_build_code(exchange->response, TPM2_RC_AUTH_FAIL);
    }
    trace_report_execute(script->rm, script->clients[0], command, size, script->response, &report);
    return report;
}

static void expect_no_secret(const struct trace_report *report)
{
    const uint8_t *bytes = (const uint8_t *)report;
    uint8_t secret[4];

    store_be32(secret, SECRET);
    for (size_t i = 0; i + 4 <= sizeof(*report); i++) {
        uint32_t word;

        memcpy(&word, bytes + i, 4);
        assert_int_not_equal(word, SECRET);
        assert_memory_not_equal(bytes + i, secret, 4);
    }
}

static void test_R95_no_password_is_told(void **state)
{
    struct rm_script *script = *state;
    struct trace_report report = send_auth(script, 13, 4);

    assert_int_equal(report.session_count, 1);
    assert_int_equal(report.sessions[0].handle, TPM2_RS_PW);
    assert_int_equal(report.sessions[0].attributes, TPMA_SESSION_CONTINUESESSION);
    expect_no_secret(&report);
    rm_script_end(script);
}

/* The size of the HMAC is wrong, so that the password stands where the next handle would. */
static void test_R95_no_byte_of_a_malformed_command_is_told(void **state)
{
    struct rm_script *script = *state;
    struct trace_report report = send_auth(script, 13, 0);

    assert_int_equal(report.session_count, 0);
    assert_int_equal(report.handle_count, 0);
    expect_no_secret(&report);
    rm_script_end(script);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_handles_of_the_client_and_of_the_chip),
        TEST(test_the_handle_that_a_command_makes),
        TEST(test_a_refused_command_has_no_handles_of_the_chip),
        TEST(test_what_was_moved_for_a_command),
        TEST(test_R95_no_parameter_is_told),
        TEST(test_R95_no_password_is_told),
        TEST(test_R95_no_byte_of_a_malformed_command_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
