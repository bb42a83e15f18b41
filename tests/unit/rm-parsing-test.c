/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that are not well formed, and chips whose answers are not. */
#include "esys-jobs.h"
#include "raw-command.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A command without sessions whose body is `body`. */
static uint32_t send_body(struct rm_world *world, uint16_t tag, uint32_t code, const void *body,
                          size_t size)
{
    uint8_t command[4096];

    header_store(command, tag, (uint32_t)(HEADER_SIZE + size), code);
    memcpy(command + HEADER_SIZE, body, size);
    return rm_world_send(world, 0, command, HEADER_SIZE + size, NULL, NULL);
}

static void test_R10_bare_headers_of_every_command_get_an_answer(void **state)
{
    struct rm_world *world = *state;

    for (uint32_t code = 0x11a; code < 0x1b0; code++) {
        /* Shutdown and the like take no part: a bare one is refused by the TPM like any other. */
        assert_int_not_equal(send_body(world, TPM2_ST_NO_SESSIONS, code, "", 0), RM_RC_FAILURE);
        assert_int_not_equal(send_body(world, TPM2_ST_SESSIONS, code, "", 0), TPM2_RC_SUCCESS);
    }
    assert_int_equal(job_random(world->clients[0].esys), TSS2_RC_SUCCESS);
}

static void test_R10_huge_session_context_is_refused(void **state)
{
    struct rm_world *world = *state;
    uint8_t body[4000] = {0};

    store_be32(body + 8, 0x02000000);
    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad, body, sizeof(body)),
                     RM_RC_PARAMETER_HANDLE);
}

static void test_R10_random_bytes_harm_nobody(void **state)
{
    struct rm_world *world = *state;
    ESYS_CONTEXT *other = rm_world_connect(world, 1, 1001);
    ESYS_TR key = job_signing_key(other, ESYS_TR_RH_OWNER, 1);
    uint8_t body[256];

    srand(4711);
    for (unsigned round = 0; round < 4000; round++) {
        uint32_t code = 0x11f + (uint32_t)rand() % 0x80;
        size_t size = (size_t)rand() % sizeof(body);

        for (size_t i = 0; i < size; i++)
            body[i] = (uint8_t)(rand() % 3 ? rand() : 0x80 * (rand() % 2));
        if (code == TPM2_CC_Clear || code == TPM2_CC_ChangeEPS || code == TPM2_CC_HierarchyControl)
            continue;
        send_body(world, (uint16_t)(rand() % 4 ? TPM2_ST_NO_SESSIONS : TPM2_ST_SESSIONS), code,
                  body, size);
    }
    assert_int_equal(job_sign(other, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
}

static void test_R12_size_that_disagrees_is_refused(void **state)
{
    struct rm_world *world = *state;
    uint8_t command[4200] = {0};

    header_store(command, TPM2_ST_NO_SESSIONS, 13, TPM2_CC_GetRandom);
    assert_int_equal(rm_world_send(world, 0, command, 12, NULL, NULL), RM_RC_COMMAND_SIZE);
    assert_int_equal(rm_world_send(world, 0, command, 14, NULL, NULL), RM_RC_COMMAND_SIZE);
}

static void test_R13_short_handle_area(void **state)
{
    struct rm_world *world = *state;

    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, TPM2_CC_ReadPublic, "\x80\0\0", 3),
                     0xB009A);
    assert_int_equal(send_body(world, TPM2_ST_SESSIONS, TPM2_CC_Certify, "\x80\0\0\0\x80\0\0", 7),
                     0xB009A);
    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextSave, "", 0), 0xB009A);
}

static void test_R13_malformed_authorization_area(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } areas[] = {
        {"", 0},
        {"\0\0\0", 3},
        {"\0\0\0\x08\x40\0\0\x09\0\0\0\0", 12},         /* authorizationSize under 9 */
        {"\0\0\0\xff\x40\0\0\x09\0\0\0\0\0", 13},       /* past the end */
        {"\xff\xff\xff\xff\x40\0\0\x09\0\0\0\0\0", 13}, /* far past the end */
        {"\0\0\0\x09\x40\0\0\x09\0\x09\0\0\0", 13},     /* nonce past the end */
        {"\0\0\0\x09\x40\0\0\x09\0\0\0\0\x01", 13},     /* HMAC past the end */
        {"\0\0\0\x0a\x40\0\0\x09\0\0\0\0\0\0", 14},     /* a byte too many */
        {"\0\0\0\x24\x40\0\0\x09\0\0\0\0\0\x40\0\0\x09\0\0\0\0\0"
         "\x40\0\0\x09\0\0\0\0\0\x40\0\0\x09\0\0\0\0\0",
         40}, /* four sessions */
    };
    struct rm_world *world = *state;

    for (unsigned i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
        assert_int_equal(
            send_body(world, TPM2_ST_SESSIONS, TPM2_CC_GetRandom, areas[i].bytes, areas[i].size),
            0xB0144);
}

static void test_R13_commands_that_take_no_sessions(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_ContextLoad, TPM2_CC_FlushContext, TPM2_CC_Startup};
    struct rm_world *world = *state;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(send_body(world, TPM2_ST_SESSIONS, codes[i],
                                   "\0\0\0\x09\x40\0\0\x09\0\0\0\0\0\0\0\0\0", 17),
                         0xB0145);
    assert_int_equal(send_body(world, TPM2_ST_SESSIONS, TPM2_CC_ContextSave,
                               "\x80\0\0\0\0\0\0\x09\x40\0\0\x09\0\0\0\0\0", 17),
                     0xB0145);
}

static void test_R13_bad_tag_is_the_chips_to_answer(void **state)
{
    struct rm_world *world = *state;
    uint32_t code = send_body(world, 0x1234, TPM2_CC_GetRandom, "\0\x08", 2);

    assert_true(code == TPM2_RC_BAD_TAG || code == 0x84);
    assert_int_equal(world->chip->commands, 1);
}

static void test_R13_unknown_command_code(void **state)
{
    struct rm_world *world = *state;

    libtpms_chip_clear_counts(world->chip);
    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, 0x11e, "", 0), 0x143);
    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, 0x20000000, "", 0), 0x143);
    assert_int_equal(send_body(world, TPM2_ST_NO_SESSIONS, 0xffffffff, "", 0), 0x143);
    assert_int_equal(world->chip->commands, 0);
}

static void test_R14_malformed_answers_leave_consistent_state(void **state)
{
    static const enum chip_fault faults[] = {CHIP_FAULT_CUT, CHIP_FAULT_GARBAGE, CHIP_FAULT_LOST};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR key = job_signing_key(esys, ESYS_TR_RH_OWNER, 1), other;

    for (unsigned i = 0; i < 3; i++) {
        libtpms_chip_inject(world->chip, faults[i], TPM2_CC_CreatePrimary, 0, 1);
        assert_int_equal(job_try_signing_key(esys, ESYS_TR_RH_OWNER, 2, &other), RM_RC_FAILURE);
        libtpms_chip_inject(world->chip, faults[i], TPM2_CC_StartAuthSession, 0, 1);
        assert_int_equal(job_try_session(esys, TPM2_SE_HMAC, &other), RM_RC_FAILURE);
        /* What the chip made without our knowing is found and flushed; what we had is there. */
        assert_int_equal(job_random(esys), TSS2_RC_SUCCESS);
        assert_int_equal(rm_world_in_chip(world, HANDLE_TRANSIENT_FIRST), 1);
        assert_int_equal(rm_world_in_chip(world, HANDLE_LOADED_SESSIONS), 0);
        assert_int_equal(job_sign(esys, key, ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
    }
}

static void test_R14_malformed_swap_answers_cost_no_key(void **state)
{
    static const uint32_t codes[] = {TPM2_CC_ContextSave, TPM2_CC_ContextLoad,
                                     TPM2_CC_FlushContext};
    static const enum chip_fault faults[] = {CHIP_FAULT_CUT, CHIP_FAULT_GARBAGE, CHIP_FAULT_LOST,
                                             CHIP_FAULT_TRANSPORT, CHIP_FAULT_CODE};
    struct rm_world *world = *state;
    ESYS_CONTEXT *esys = world->clients[0].esys;
    ESYS_TR keys[6];

    for (unsigned i = 0; i < 6; i++)
        keys[i] = job_signing_key(esys, ESYS_TR_RH_OWNER, (uint8_t)i);
    for (unsigned fault = 0; fault < 5; fault++) {
        for (unsigned code = 0; code < 3; code++) {
            libtpms_chip_inject(world->chip, faults[fault], codes[code], TPM2_RC_MEMORY, 1);
            for (unsigned i = 0; i < 12; i++)
                job_sign(esys, keys[i % 6], ESYS_TR_PASSWORD);
            libtpms_chip_inject(world->chip, CHIP_FAULT_NONE, 0, 0, 0);
            for (unsigned i = 0; i < 6; i++)
                assert_int_equal(job_sign(esys, keys[i], ESYS_TR_PASSWORD), TSS2_RC_SUCCESS);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_world_setup, rm_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R10_bare_headers_of_every_command_get_an_answer),
        TEST(test_R10_huge_session_context_is_refused),
        TEST(test_R10_random_bytes_harm_nobody),
        TEST(test_R12_size_that_disagrees_is_refused),
        TEST(test_R13_short_handle_area),
        TEST(test_R13_malformed_authorization_area),
        TEST(test_R13_commands_that_take_no_sessions),
        TEST(test_R13_bad_tag_is_the_chips_to_answer),
        TEST(test_R13_unknown_command_code),
        TEST(test_R14_malformed_answers_leave_consistent_state),
        TEST(test_R14_malformed_swap_answers_cost_no_key),
    };

    return cmocka_run_group_tests_name("rm-parsing", tests, NULL, NULL);
}
