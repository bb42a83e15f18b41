/* SPDX-License-Identifier: BSD-2-Clause */
/* The resource manager on a chip that no one sells: large buffers, commands of a vendor's own. */
#include "rm/rc.h"
#include "rm/rm.h"
#include "wire/command.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIG 16384

/* A vendor's command that takes any parameters and gives them back. */
#define CC_ECHO UINT32_C(0x20000001)
/* Another, which makes an object and returns its handle and the parameters. */
#define CC_MAKE UINT32_C(0x20000002)

struct scripted {
    struct rm_tpm tpm;
    struct chip facts;
    struct rm *rm;
    struct rm_client *client;
    unsigned commands;
    uint32_t made;
    uint8_t *command, *response;
};

static int transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size)
{
    struct scripted *chip = (struct scripted *)tpm;
    uint32_t code = header_load(command).code;
    size_t extra = code == CC_MAKE ? 4 : 0;

    (void)locality;
    chip->commands++;
    if (code == TPM2_CC_FlushContext)
        size = HEADER_SIZE;
    assert_true(size + extra <= capacity);
    memcpy(response + HEADER_SIZE + extra, command + HEADER_SIZE, size - HEADER_SIZE);
    if (extra)
        store_be32(response + HEADER_SIZE, chip->made++);
    header_store(response, TPM2_ST_NO_SESSIONS, (uint32_t)(size + extra), TPM2_RC_SUCCESS);
    *response_size = size + extra;
    return 0;
}

static bool backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm;
    (void)attempt;
    return false;
}

static int setup(void **state)
{
    static const struct rm_limits limits = {
        .objects_per_client = 8, .sessions_per_client = 8, .abandoned_per_uid = 8};
    struct scripted *chip = calloc(1, sizeof(*chip));

    chip->tpm = (struct rm_tpm){transact, backoff};
    chip->made = HANDLE_TRANSIENT_FIRST | 0x77;
    chip->facts = (struct chip){
        .max_command = BIG,
        .max_response = BIG,
        .object_slots = 8,
        .session_slots = 3,
        .active_sessions = 64,
        .context_gap = 65535,
    };
    command_table_add(&chip->facts.commands, TPMA_CC_V | 1);
    command_table_add(&chip->facts.commands, TPMA_CC_V | TPMA_CC_RHANDLE | 2);
    command_table_add(&chip->facts.commands, TPM2_CC_FlushContext);
    chip->rm = rm_new(&chip->tpm, &chip->facts, &limits);
    chip->client = rm_client_new(chip->rm, rm_user_get(chip->rm, 1000), 1000);
    chip->command = malloc(rm_command_capacity(chip->rm));
    chip->response = malloc(rm_response_capacity(chip->rm));
    assert_non_null(chip->response);
    *state = chip;
    return 0;
}

static int teardown(void **state)
{
    struct scripted *chip = *state;

    rm_client_free(chip->client);
    while (rm_idle(chip->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    rm_free(chip->rm);
    free(chip->command);
    free(chip->response);
    free(chip);
    return 0;
}

/* Runs a command of `size` bytes whose parameters count up. */
static size_t run(struct scripted *chip, uint32_t code, size_t size)
{
    header_store(chip->command, TPM2_ST_NO_SESSIONS, (uint32_t)size, code);
    for (size_t i = HEADER_SIZE; i < size; i++)
        chip->command[i] = (uint8_t)i;
    return rm_execute(chip->rm, chip->client, chip->command, size, chip->response);
}

static void test_R15_buffers_follow_the_chip(void **state)
{
    struct scripted *chip = *state;

    assert_int_equal(rm_command_capacity(chip->rm), BIG);
    assert_int_equal(rm_response_capacity(chip->rm), BIG);
    for (size_t size = BIG - 4; size <= BIG; size++) {
        assert_int_equal(run(chip, CC_ECHO, size), size);
        assert_int_equal(header_load(chip->response).code, TPM2_RC_SUCCESS);
        assert_int_equal(chip->response[size - 1], (uint8_t)(size - 1));
    }
    /* An object made by a response of the greatest size. */
    assert_int_equal(run(chip, CC_MAKE, BIG - 4), BIG);
    assert_int_equal(load_be32(chip->response + HEADER_SIZE), HANDLE_TRANSIENT_FIRST);
    assert_int_equal(chip->response[BIG - 1], (uint8_t)(BIG - 5));
}

static void test_R12_more_than_the_chip_takes_is_refused(void **state)
{
    struct scripted *chip = *state;

    chip->command = realloc(chip->command, BIG + 1);
    assert_int_equal(run(chip, CC_ECHO, BIG + 1), HEADER_SIZE);
    assert_int_equal(header_load(chip->response).code, RM_RC_COMMAND_SIZE);
    assert_int_equal(chip->commands, 0);
}

static void test_R13_vendor_commands_that_the_chip_lists_are_served(void **state)
{
    struct scripted *chip = *state;

    assert_int_equal(run(chip, CC_ECHO, 20), 20);
    assert_int_equal(run(chip, CC_ECHO + 7, 20), HEADER_SIZE);
    assert_int_equal(header_load(chip->response).code, TPM2_RC_COMMAND_CODE);
    assert_int_equal(chip->commands, 1);
}

static void test_R16_objects_of_vendor_commands_count(void **state)
{
    struct scripted *chip = *state;

    for (unsigned i = 0; i < 8; i++) {
        run(chip, CC_MAKE, 20);
        assert_int_equal(header_load(chip->response).code, TPM2_RC_SUCCESS);
        assert_int_equal(load_be32(chip->response + HEADER_SIZE), HANDLE_TRANSIENT_FIRST + i);
    }
    run(chip, CC_MAKE, 20);
    assert_int_equal(header_load(chip->response).code, RM_RC_OBJECT_MEMORY);
    assert_int_equal(chip->commands, 8);
}

static void test_R14_one_physical_handle_is_never_known_twice(void **state)
{
    struct scripted *chip = *state;

    run(chip, CC_MAKE, 20);
    chip->made--; /* the chip gives out the same handle again */
    run(chip, CC_MAKE, 20);
    assert_int_equal(header_load(chip->response).code, TPM2_RC_SUCCESS);
    assert_int_equal(load_be32(chip->response + HEADER_SIZE), HANDLE_TRANSIENT_FIRST + 1);
    /* Then it has lost the first, of which there is no context. */
    header_store(chip->command, TPM2_ST_NO_SESSIONS, 14, TPM2_CC_FlushContext);
    store_be32(chip->command + HEADER_SIZE, HANDLE_TRANSIENT_FIRST);
    rm_execute(chip->rm, chip->client, chip->command, 14, chip->response);
    assert_int_equal(header_load(chip->response).code, RM_RC_PARAMETER_HANDLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R12_more_than_the_chip_takes_is_refused),
        TEST(test_R13_vendor_commands_that_the_chip_lists_are_served),
        TEST(test_R14_one_physical_handle_is_never_known_twice),
        TEST(test_R15_buffers_follow_the_chip),
        TEST(test_R16_objects_of_vendor_commands_count),
    };

    return cmocka_run_group_tests_name("rm-scripted", tests, NULL, NULL);
}
