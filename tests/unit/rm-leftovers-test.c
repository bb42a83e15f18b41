/* SPDX-License-Identifier: BSD-2-Clause */
/* What is flushed in a chip before it is used, by a script of commands and answers. */
#include "chip-script.h"
#include "wire/handle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PAGES 64 /* that are read of a list which never ends */

static void expect_flushed(struct chip_script *script, bool sessions, enum chip_error error,
                           unsigned count)
{
    unsigned flushed = 99;
    int64_t detail = 0;

    assert_int_equal(chip_flush_leftovers(&script->tpm, sessions, &flushed, &detail), error);
    assert_int_equal(flushed, count);
    chip_script_end(script);
}

static void test_leftovers_are_flushed_by_kind(void **state)
{
    struct chip_script *script = *state;

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false,
                 WORDS(0x80000000, 0x80000002));
    expect_flush(script, 0x80000000, TPM2_RC_SUCCESS);
    expect_flush(script, 0x80000002, TPM2_RC_SUCCESS);
    expect_flushed(script, false, CHIP_OK, 2);

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false, NO_WORDS);
    expect_query(script, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, WORDS(0x03000001));
    expect_flush(script, 0x03000001, TPM2_RC_SUCCESS);
    expect_query(script, TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, false, WORDS(0x02000000));
    expect_flush(script, 0x02000000, TPM2_RC_SUCCESS);
    expect_flushed(script, true, CHIP_OK, 2);
}

/* What was flushed is not listed any more, so that each page starts where the first one did. */
static void test_leftovers_are_flushed_page_by_page(void **state)
{
    struct chip_script *script = *state;

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, true, WORDS(0x80000000));
    expect_flush(script, 0x80000000, TPM2_RC_SUCCESS);
    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, true, NO_WORDS);
    expect_flushed(script, false, CHIP_OK, 1);

    /* A list without end is left. */
    for (unsigned i = 0; i < PAGES; i++) {
        expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, true, WORDS(0x80000000));
        expect_flush(script, 0x80000000, TPM2_RC_SUCCESS);
    }
    expect_flushed(script, false, CHIP_OK, PAGES);
}

static void test_what_goes_wrong_ends_the_flushing(void **state)
{
    struct chip_script *script = *state;

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false, NO_WORDS)->error = -EIO;
    expect_flushed(script, true, CHIP_ERROR_TRANSPORT, 0);

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false,
                 WORDS(0x80000000, 0x80000001));
    expect_flush(script, 0x80000000, TPM2_RC_SUCCESS);
    expect_flush(script, 0x80000001, TPM2_RC_FAILURE);
    expect_flushed(script, true, CHIP_ERROR_CODE, 1);

    expect_query(script, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST, false, NO_WORDS);
    exchange_answer_code(
        expect_query(script, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, NO_WORDS),
        TPM2_RC_FAILURE);
    expect_flushed(script, true, CHIP_ERROR_CODE, 0);
}

static void test_recorded_sessions_are_flushed(void **state)
{
    static const struct ledger ledger = {
        .magic = LEDGER_MAGIC,
        .sessions = {[3] = 0x02000001, [4] = 0x80000000, [LEDGER_SESSIONS - 1] = 0x03000002}};
    struct chip_script *script = *state;
    struct ledger starting = ledger;
    unsigned flushed = 99;
    int64_t detail = 0;

    /* One that the chip does not have is flushed already. */
    expect_flush(script, 0x02000001, TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1);
    expect_flush(script, 0x03000002, TPM2_RC_SUCCESS);
    assert_int_equal(chip_flush_recorded(&script->tpm, &ledger, &flushed, &detail), CHIP_OK);
    assert_int_equal(flushed, 1);
    chip_script_end(script);

    starting.starting = 1;
    starting.sessions[3] = 0;
    expect_flush(script, 0x03000002, TPM2_RC_SUCCESS);
    expect_query(script, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, WORDS(0x02000005));
    expect_flush(script, 0x02000005, TPM2_RC_SUCCESS);
    assert_int_equal(chip_flush_recorded(&script->tpm, &starting, &flushed, &detail), CHIP_OK);
    assert_int_equal(flushed, 2);
    chip_script_end(script);

    expect_flush(script, 0x02000001, TPM2_RC_SUCCESS)->error = -EIO;
    assert_int_equal(chip_flush_recorded(&script->tpm, &ledger, &flushed, &detail),
                     CHIP_ERROR_TRANSPORT);
    assert_int_equal(detail, -EIO);
    assert_int_equal(flushed, 0);
    chip_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, chip_script_setup, chip_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leftovers_are_flushed_by_kind),
        TEST(test_leftovers_are_flushed_page_by_page),
        TEST(test_recorded_sessions_are_flushed),
        TEST(test_what_goes_wrong_ends_the_flushing),
    };

    return cmocka_run_group_tests_name("rm-leftovers", tests, NULL, NULL);
}
