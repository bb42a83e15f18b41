/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of a chip, by a script of commands and answers. */
#include "chip-script.h"
#include "wire/handle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 64 /* that are read of a list which never ends */

/* What follows the properties, of a chip with one command that audits nothing. */
static void expect_rest(struct chip_script *script)
{
    expect_query(script, TPM2_CAP_COMMANDS, 0, false, WORDS(TPM2_CC_Startup));
    expect_query(script, TPM2_CAP_AUDIT_COMMANDS, 0, false, NO_WORDS);
    expect_clock(script, 7);
}

/* Reads the chip; the script must be at its end. */
static enum chip_error read_chip(struct chip_script *script, struct chip *chip, int64_t *detail)
{
    enum chip_error error;

    *detail = INT64_MIN;
    memset(chip, 0xEE, sizeof(*chip));
    error = chip_read(chip, &script->tpm, detail);
    chip_script_end(script);
    return error;
}

static void expect_error(struct chip_script *script, enum chip_error error, int64_t detail)
{
    struct chip chip;
    int64_t told;

    assert_int_equal(read_chip(script, &chip, &told), error);
    if (error != CHIP_ERROR_MALFORMED)
        assert_int_equal(told, detail);
}

static void test_a_chip_is_what_it_says(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, false,
                 WORDS(TPM2_PT_HR_TRANSIENT_MIN, 4, TPM2_PT_HR_LOADED_MIN, 5,
                       TPM2_PT_ACTIVE_SESSIONS_MAX, 77, TPM2_PT_CONTEXT_GAP_MAX, 1000,
                       TPM2_PT_MAX_COMMAND_SIZE, 5000, TPM2_PT_MAX_RESPONSE_SIZE, 6000));
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, false,
                 WORDS(TPM2_PT_HR_LOADED_AVAIL, 6, TPM2_PT_HR_TRANSIENT_AVAIL, 8));
    expect_query(script, TPM2_CAP_COMMANDS, 0, false,
                 WORDS(TPM2_CC_Startup, TPM2_CC_ReadClock, TPM2_CC_HMAC));
    expect_query(script, TPM2_CAP_AUDIT_COMMANDS, 0, false,
                 WORDS(TPM2_CC_HMAC, TPM2_CC_Clear, TPM2_CC_Startup))
        ->beyond = TPM2_CC_ReadClock;
    expect_clock(script, 7);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, 8);
    assert_int_equal(chip.session_slots, 6);
    assert_int_equal(chip.active_sessions, 77);
    assert_int_equal(chip.context_gap, 1000);
    assert_int_equal(chip.max_command, 5000);
    assert_int_equal(chip.max_response, 6000);
    assert_int_equal(chip.reset_count, 7);
    assert_int_equal(chip.commands.count, 3);
    assert_true(chip.audited[command_table_find(&chip.commands, TPM2_CC_Startup)]);
    assert_true(chip.audited[command_table_find(&chip.commands, TPM2_CC_HMAC)]);
    assert_false(chip.audited[command_table_find(&chip.commands, TPM2_CC_ReadClock)]);
}

static void test_less_that_is_free_lowers_no_slots(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, false,
                 WORDS(TPM2_PT_HR_TRANSIENT_MIN, 4, TPM2_PT_HR_LOADED_MIN, 5));
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, false,
                 WORDS(TPM2_PT_HR_LOADED_AVAIL, 1, TPM2_PT_HR_TRANSIENT_AVAIL, 1));
    expect_rest(script);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, 4);
    assert_int_equal(chip.session_slots, 5);
}

static void test_a_chip_that_says_nothing_has_the_least(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, true, NO_WORDS);
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, true, NO_WORDS);
    expect_rest(script);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, 3);
    assert_int_equal(chip.session_slots, 3);
    assert_int_equal(chip.active_sessions, 64);
    assert_int_equal(chip.context_gap, 255);
    assert_int_equal(chip.max_command, CHIP_MIN_BUFFER);
    assert_int_equal(chip.max_response, CHIP_MIN_BUFFER);
    for (unsigned i = 0; i < COMMAND_TABLE_MAX; i++)
        assert_false(chip.audited[i]);
}

static void test_what_no_chip_can_have_is_cut(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, false,
                 WORDS(TPM2_PT_HR_TRANSIENT_MIN, 65536, TPM2_PT_HR_LOADED_MIN, UINT32_MAX,
                       TPM2_PT_CONTEXT_GAP_MAX, UINT32_MAX, TPM2_PT_MAX_COMMAND_SIZE,
                       CHIP_MAX_BUFFER + 1, TPM2_PT_MAX_RESPONSE_SIZE, CHIP_MAX_BUFFER + 1));
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, false, NO_WORDS);
    expect_rest(script);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, UINT16_MAX);
    assert_int_equal(chip.session_slots, UINT16_MAX);
    assert_int_equal(chip.context_gap, UINT32_MAX);
    assert_int_equal(chip.max_command, CHIP_MAX_BUFFER);
    assert_int_equal(chip.max_response, CHIP_MAX_BUFFER);

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, false,
                 WORDS(TPM2_PT_HR_TRANSIENT_MIN, 0, TPM2_PT_HR_LOADED_MIN, 0,
                       TPM2_PT_CONTEXT_GAP_MAX, 254, TPM2_PT_MAX_COMMAND_SIZE, 9,
                       TPM2_PT_MAX_RESPONSE_SIZE, 0));
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, false, NO_WORDS);
    expect_rest(script);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, 1);
    assert_int_equal(chip.session_slots, 1);
    assert_int_equal(chip.context_gap, 255);
    assert_int_equal(chip.max_command, HEADER_SIZE);
    assert_int_equal(chip.max_response, HEADER_SIZE);
}

static void test_properties_are_read_page_by_page(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, true,
                 WORDS(TPM2_PT_HR_TRANSIENT_MIN, 4));
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_HR_TRANSIENT_MIN + 1, true,
                 WORDS(TPM2_PT_HR_LOADED_MIN, 5));
    /* The next group ends the list, although there is more. */
    expect_query(
        script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_HR_LOADED_MIN + 1, true,
        WORDS(TPM2_PT_MAX_COMMAND_SIZE, 5000, TPM2_PT_VAR, 1, TPM2_PT_MAX_RESPONSE_SIZE, 6000));
    for (uint32_t i = 0; i < PAGES; i++)
        expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR + i, true,
                     WORDS(TPM2_PT_VAR + i, 0));
    expect_rest(script);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.object_slots, 4);
    assert_int_equal(chip.session_slots, 5);
    assert_int_equal(chip.max_command, 5000);
    assert_int_equal(chip.max_response, CHIP_MIN_BUFFER);
}

static void expect_both_groups(struct chip_script *script)
{
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED, false, NO_WORDS);
    expect_query(script, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR, false, NO_WORDS);
}

static void test_commands_are_read_page_by_page(void **state)
{
    struct chip_script *script = *state;
    struct chip chip;
    int64_t detail;

    expect_both_groups(script);
    expect_query(script, TPM2_CAP_COMMANDS, 0, true,
                 WORDS(TPM2_CC_Startup | TPMA_CC_FLUSHED, TPM2_CC_HMAC));
    expect_query(script, TPM2_CAP_COMMANDS, TPM2_CC_HMAC + 1, true,
                 WORDS(TPMA_CC_V | TPMA_CC_RHANDLE | 5));
    expect_query(script, TPM2_CAP_COMMANDS, TPMA_CC_V | 6, true, NO_WORDS);
    expect_query(script, TPM2_CAP_AUDIT_COMMANDS, 0, false, NO_WORDS);
    expect_clock(script, 7);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.commands.count, 3);
    assert_int_equal(chip.commands.attributes[0], TPM2_CC_Startup | TPMA_CC_FLUSHED);
    assert_int_equal(chip.commands.attributes[2], TPMA_CC_V | TPMA_CC_RHANDLE | 5);

    expect_both_groups(script);
    for (uint32_t i = 0; i < PAGES; i++)
        expect_query(script, TPM2_CAP_COMMANDS, i == 0 ? 0 : 0x100 + i, true, WORDS(0x100 + i));
    expect_query(script, TPM2_CAP_AUDIT_COMMANDS, 0, false, NO_WORDS);
    expect_clock(script, 7);
    assert_int_equal(read_chip(script, &chip, &detail), CHIP_OK);
    assert_int_equal(chip.commands.count, PAGES);
}

static void test_a_chip_without_commands_or_with_too_many_is_none(void **state)
{
    struct chip_script *script = *state;
    uint32_t many[COMMAND_TABLE_MAX + 1];

    expect_both_groups(script);
    expect_query(script, TPM2_CAP_COMMANDS, 0, false, NO_WORDS);
    expect_error(script, CHIP_ERROR_MALFORMED, 0);

    for (uint32_t i = 0; i <= COMMAND_TABLE_MAX; i++)
        many[i] = 0x100 + i;
    expect_both_groups(script);
    expect_query(script, TPM2_CAP_COMMANDS, 0, false, many, COMMAND_TABLE_MAX + 1);
    expect_error(script, CHIP_ERROR_MALFORMED, 0);
}

static void test_each_question_may_fail(void **state)
{
    struct chip_script *script = *state;

    for (unsigned which = 0; which < 5; which++) {
        /* Who does not tell what it audits, or the time, is served all the same. */
        bool forgiven = which >= 3;

        expect_both_groups(script);
        expect_rest(script);
        script->exchanges[which].error = -EIO;
        script->count = which + 1;
        expect_error(script, CHIP_ERROR_TRANSPORT, -EIO);

        expect_both_groups(script);
        expect_rest(script);
        exchange_answer_code(&script->exchanges[which], TPM2_RC_FAILURE);
        script->count = forgiven ? 5 : which + 1;
        expect_error(script, forgiven ? CHIP_OK : CHIP_ERROR_CODE,
                     which == 3 ? TPM2_RC_SUCCESS : TPM2_RC_FAILURE);

        expect_both_groups(script);
        expect_rest(script);
        script->exchanges[which].size++;
        header_store(script->exchanges[which].response, TPM2_ST_NO_SESSIONS,
                     (uint32_t)script->exchanges[which].size, TPM2_RC_SUCCESS);
        script->count = which + 1;
        expect_error(script, CHIP_ERROR_MALFORMED, 0);
    }
}

static void test_answers_that_are_none_are_told_from_codes(void **state)
{
    struct chip_script *script = *state;
    struct exchange *exchange;
    int64_t detail = 0;

    assert_int_equal(expect_startup(script, TPM2_RC_SUCCESS)->command_size, HEADER_SIZE + 2);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_OK);
    expect_startup(script, TPM2_RC_INITIALIZE);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_OK);

    expect_startup(script, TPM2_RC_FAILURE);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_CODE);
    assert_int_equal(detail, TPM2_RC_FAILURE);
    expect_startup(script, TPM2_RC_INITIALIZE)->error = -ETIMEDOUT;
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_TRANSPORT);
    assert_int_equal(detail, -ETIMEDOUT);
    exchange = expect_startup(script, TPM2_RC_SUCCESS);
    exchange->size = HEADER_SIZE - 1;
    header_store(exchange->response, TPM2_ST_NO_SESSIONS, HEADER_SIZE - 1, TPM2_RC_SUCCESS);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_MALFORMED);
    exchange = expect_startup(script, TPM2_RC_SUCCESS);
    exchange->size = HEADER_SIZE + 1;
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_MALFORMED);

    /* A TPM 1.2 says TPM_BADTAG under a tag of its own. */
    exchange = expect_startup(script, TPM2_RC_BAD_TAG);
    store_be16(exchange->response, 0x00C4);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_TPM12);
    chip_script_end(script);
}

static void test_a_busy_chip_is_asked_again(void **state)
{
    struct chip_script *script = *state;
    int64_t detail = 0;

    script->most_backoffs = 3;
    expect_startup(script, TPM2_RC_RETRY);
    expect_startup(script, TPM2_RC_YIELDED);
    expect_startup(script, TPM2_RC_TESTING);
    expect_startup(script, TPM2_RC_SUCCESS);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_OK);
    assert_int_equal(script->backoffs, 3);
    chip_script_end(script);

    script->most_backoffs = 1;
    expect_startup(script, TPM2_RC_RETRY);
    expect_startup(script, TPM2_RC_TESTING);
    assert_int_equal(chip_startup(&script->tpm, NULL, &detail), CHIP_ERROR_CODE);
    assert_int_equal(detail, TPM2_RC_TESTING);
    assert_int_equal(script->backoffs, 2);
    chip_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, chip_script_setup, chip_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_busy_chip_is_asked_again),
        TEST(test_a_chip_is_what_it_says),
        TEST(test_a_chip_that_says_nothing_has_the_least),
        TEST(test_a_chip_without_commands_or_with_too_many_is_none),
        TEST(test_answers_that_are_none_are_told_from_codes),
        TEST(test_commands_are_read_page_by_page),
        TEST(test_each_question_may_fail),
        TEST(test_less_that_is_free_lowers_no_slots),
        TEST(test_properties_are_read_page_by_page),
        TEST(test_what_no_chip_can_have_is_cut),
    };

    return cmocka_run_group_tests_name("rm-chip", tests, NULL, NULL);
}
