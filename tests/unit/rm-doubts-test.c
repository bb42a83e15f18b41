/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that are lost, or are none; a chip that is busy, failed or was reset; and how the books
 * are put right, command by command. */
#include "rm-script.h"
#include "rm/rc.h"
#include "rm/resync.h"
#include "rm/transact.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION(n) (UINT32_C(0x03000000) + (n))
#define OBJECT(n)  (UINT32_C(0x80000000) + (n))

#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
#define KEPT(number)     (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})
#define KEPT_IN(number, hierarchy) \
    (&(const struct script_context){number, CONTEXT_OBJECT, hierarchy})
#define ST_CLEAR(number) (&(const struct script_context){number, CONTEXT_STCLEAR, TPM2_RH_PLATFORM})

static uint32_t random_of(struct rm_script *script)
{
    return rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0);
}

static struct exchange *expect_random(struct rm_script *script, uint32_t code)
{
    return expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, code);
}

static void test_R34_lost_answer_puts_the_books_in_doubt(void **state)
{
    struct rm_script *script = *state;

    expect_random(script, TPM2_RC_SUCCESS)->error = -EIO;
    assert_int_equal(random_of(script), RM_RC_FAILURE);
    assert_int_equal(script->size, HEADER_SIZE);
    assert_true(rm_tpm_lost(script->rm));
    assert_true(script->rm->books_in_doubt);
    assert_true(rm_stats(script->rm)->chip_commands == 1);
    assert_true(rm_stats(script->rm)->client_commands == 1);
    rm_script_end(script);
    /* It is asked what it holds before it gets another command of a client. */
    expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, ALL_ENABLED);
    expect_random(script, TPM2_RC_SUCCESS);
    assert_int_equal(random_of(script), TPM2_RC_SUCCESS);
    assert_false(rm_tpm_lost(script->rm));
    assert_false(script->rm->books_in_doubt);
    assert_true(rm_stats(script->rm)->chip_commands == 7);
    assert_true(rm_stats(script->rm)->context_commands == 0);
    rm_script_end(script);
}

static void test_R14_what_is_no_answer_is_a_failure(void **state)
{
    struct rm_script *script = *state;

    for (unsigned i = 0; i < 3; i++) {
        struct exchange *exchange;

        script->rm->books_in_doubt = false;
        exchange = expect_random(script, TPM2_RC_SUCCESS);
        exchange->size = i == 0 ? HEADER_SIZE - 1 : HEADER_SIZE;
        if (i == 0)
            store_be32(exchange->response + 2, HEADER_SIZE - 1);
        if (i > 0)
            store_be32(exchange->response + 2, i == 1 ? HEADER_SIZE + 1 : HEADER_SIZE - 1);
        assert_int_equal(random_of(script), RM_RC_FAILURE);
        assert_false(rm_tpm_lost(script->rm));
        assert_true(script->rm->books_in_doubt);
        rm_script_end(script);
    }
}

static void test_R31_busy_chip(void **state)
{
    struct rm_script *script = *state;

    script->chip.most_backoffs = 3;
    expect_random(script, TPM2_RC_RETRY);
    expect_random(script, TPM2_RC_YIELDED);
    expect_random(script, TPM2_RC_TESTING);
    expect_random(script, TPM2_RC_SUCCESS);
    assert_int_equal(random_of(script), TPM2_RC_SUCCESS);
    assert_int_equal(script->chip.backoffs, 3);
    assert_true(rm_stats(script->rm)->chip_commands == 4);
    rm_script_end(script);

    script->chip.most_backoffs = 1;
    expect_random(script, TPM2_RC_RETRY);
    expect_random(script, TPM2_RC_TESTING);
    assert_int_equal(random_of(script), TPM2_RC_TESTING);
    assert_int_equal(script->chip.backoffs, 2);
    rm_script_end(script);
}

/* TPM2_GetTestResult, by which a TPM in failure mode tells whether it is still in it. */
static struct exchange *expect_test_result(struct rm_script *script, uint16_t data, uint32_t result)
{
    struct exchange *exchange = expect_named(script, TPM2_CC_GetTestResult, 0, 0, 0, 0);

    store_be16(exchange->response + HEADER_SIZE, data);
    store_be32(exchange->response + HEADER_SIZE + 2 + data, result);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 2 + data + 4u);
    return exchange;
}

static void test_R33_failure_mode_ends_when_the_chip_says_so(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange;
    uint32_t object = rm_script_make(script, 0, OBJECT(0));

    expect_save(script, OBJECT(0), KEPT(5));
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
        ;
    expect_random(script, TPM2_RC_FAILURE);
    assert_int_equal(random_of(script), TPM2_RC_FAILURE);
    assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
    rm_script_end(script);

    /* What must be loaded asks first. */
    expect_test_result(script, 3, TPM2_RC_FAILURE);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_FAILURE);
    expect_test_result(script, 0, TPM2_RC_FAILURE);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_FAILURE);
    exchange = expect_test_result(script, 3, TPM2_RC_SUCCESS);
    exchange->size = response_build_success(exchange->response, exchange->size + 1);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_FAILURE);
    exchange = expect_test_result(script, 0, TPM2_RC_SUCCESS);
    exchange->size = response_build_success(exchange->response, exchange->size - 1);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_FAILURE);
    exchange_answer_code(expect_test_result(script, 0, 0), TPM2_RC_VALUE);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_VALUE);
    assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
    rm_script_end(script);

    expect_test_result(script, 3, TPM2_RC_SUCCESS);
    expect_load(script, KEPT(5), OBJECT(1));
    expect_named(script, CC_USE, 1, OBJECT(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_USE, 1, object, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->condition, TPM_SERVING);
    rm_script_end(script);

    /* The least that it can say. */
    script->rm->condition = TPM_FAILURE_MODE;
    expect_test_result(script, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_transact_ask_failed(script->rm), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->condition, TPM_SERVING);
    rm_script_end(script);
}

/* Two commands succeed in failure mode, too; any other success ends it. */
static void test_R33_success_of_another_command_ends_failure_mode(void **state)
{
    struct rm_script *script = *state;

    script->rm->condition = TPM_FAILURE_MODE;
    expect_test_result(script, 0, TPM2_RC_FAILURE);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetTestResult, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
    expect_named(script, TPM2_CC_GetCapability, 0, 0, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetCapability, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
    expect_random(script, TPM2_RC_VALUE);
    assert_int_equal(random_of(script), TPM2_RC_VALUE);
    assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
    expect_random(script, TPM2_RC_SUCCESS);
    assert_int_equal(random_of(script), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->condition, TPM_SERVING);
    rm_script_end(script);
}

/* In failure mode the chip does not say what it holds, but has answers to those two. */
static void test_R33_doubts_in_failure_mode(void **state)
{
    struct rm_script *script = *state;

    script->rm->books_in_doubt = true;
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t codes[] = {TPM2_CC_GetTestResult, TPM2_CC_GetCapability,
                                         TPM2_CC_GetRandom};
        bool answered = i < 2;

        exchange_answer_code(
            expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, NO_WORDS),
            TPM2_RC_FAILURE);
        if (answered)
            expect_named(script, codes[i], 0, 0, 0, TPM2_RC_SUCCESS);
        assert_int_equal(rm_script_name(script, 0, codes[i], 0, 0, 0),
                         answered ? TPM2_RC_SUCCESS : RM_RC_FAILURE);
        assert_int_equal(script->rm->condition, TPM_FAILURE_MODE);
        assert_true(script->rm->books_in_doubt);
        rm_script_end(script);
    }
    expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, NO_WORDS)->error = -EIO;
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetTestResult, 0, 0, 0), RM_RC_FAILURE);
    rm_script_end(script);
}

static void test_R32_chip_that_was_reset_is_started(void **state)
{
    struct rm_script *script = *state;
    uint32_t lost = rm_script_make(script, 0, OBJECT(0));

    rm_script_start(script, 0, SESSION(1));
    script->rm->needs_scratch_slot[0] = true;
    expect_random(script, TPM2_RC_INITIALIZE);
    expect_startup(&script->chip, TPM2_RC_SUCCESS);
    expect_clock(&script->chip, 8);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, NO_WORDS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, false, NO_WORDS);
    expect_random(script, TPM2_RC_SUCCESS);
    assert_int_equal(random_of(script), TPM2_RC_SUCCESS);
    assert_null(rm_script_object(script, 0, lost));
    assert_null(rm_script_session(script, SESSION(1)));
    assert_int_equal(script->rm->needs_scratch_slot[0], 0);
    assert_false(script->rm->books_in_doubt);
    rm_script_end(script);

    /* It does not start, and is not asked to again by the same command. */
    expect_random(script, TPM2_RC_INITIALIZE);
    expect_startup(&script->chip, TPM2_RC_FAILURE);
    assert_int_equal(random_of(script), TPM2_RC_INITIALIZE);
    rm_script_end(script);
}

/* Someone else has started it; and what it does not tell at once is asked again. */
static void test_R32_chip_that_was_reset_and_started(void **state)
{
    struct rm_script *script = *state;

    expect_random(script, TPM2_RC_INITIALIZE);
    expect_startup(&script->chip, TPM2_RC_INITIALIZE);
    exchange_answer_code(expect_clock(&script->chip, 0), TPM2_RC_RETRY);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, NO_WORDS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, false, NO_WORDS);
    expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, ALL_ENABLED);
    expect_random(script, TPM2_RC_SUCCESS);
    assert_int_equal(random_of(script), TPM2_RC_SUCCESS);
    rm_script_end(script);
}

/* The chip says so again, to each list of sessions: it is asked twice for a command and no more. */
static void test_R32_chip_that_is_reset_again_and_again(void **state)
{
    struct rm_script *script = *state;

    script->rm->books_in_doubt = true;
    for (unsigned round = 0; round < 2; round++) {
        exchange_answer_code(
            expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, NO_WORDS),
            TPM2_RC_INITIALIZE);
        expect_startup(&script->chip, TPM2_RC_SUCCESS);
        expect_clock(&script->chip, 8);
        exchange_answer_code(
            expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, NO_WORDS),
            TPM2_RC_INITIALIZE);
    }
    assert_int_equal(random_of(script), RM_RC_FAILURE);
    assert_true(script->rm->books_in_doubt);
    rm_script_end(script);
}

/* Four sessions, two of them loaded by the books, and what the chip says of them. */
static void test_R32_sessions_are_where_the_chip_has_them(void **state)
{
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_start(script, 0, SESSION(3));
    expect_save(script, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 0, SESSION(4));
    rm_script_save(script, 0, SESSION(4), SAVED(4, 21));
    script->rm->books_in_doubt = true;
    /* 1 was loaded; 2 was saved, its context is lost; 3 is gone; 9 is nobody's. */
    expect_lists(script, NO_HANDLES, HANDLES(SESSION(1), SESSION(9)),
                 HANDLES(0x02000002, 0x02000004));
    expect_flush(&script->chip, SESSION(9), TPM2_RC_SUCCESS);
    expect_state(script, 7, ALL_ENABLED);
    assert_true(resync_all(script->rm));
    rm_script_end(script);
    assert_true(rm_script_session(script, SESSION(1))->loaded);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_ACTIVE);
    assert_true(rm_script_session(script, SESSION(1))->loaded);
    assert_true(blob_empty(&rm_script_session(script, SESSION(1))->saved));
    assert_false(rm_script_session(script, SESSION(2))->loaded);
    assert_int_equal(rm_script_session(script, SESSION(2))->state, SESSION_DOOMED);
    assert_null(rm_script_session(script, SESSION(3)));
    assert_int_equal(rm_script_session(script, SESSION(4))->state, SESSION_CLIENT_SAVED);
    assert_int_equal(script->rm->sessions_loaded, 1);
    assert_int_equal(script->rm->session_count, 3);
    assert_true(rm_stats(script->rm)->context_commands == 3);
}

static void test_R32_objects_are_where_the_chip_has_them(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[3];

    for (uint32_t i = 0; i < 3; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    expect_save(script, OBJECT(1), KEPT(5));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handles[1], 0),
                     TPM2_RC_SUCCESS);
    /* 0 and 1 are gone, of 1 there is a context; 7 is nobody's. A second page begins behind it. */
    expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), true, WORDS(OBJECT(2)));
    expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(3), false, WORDS(OBJECT(7)));
    expect_flush(&script->chip, OBJECT(7), TPM2_RC_SUCCESS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, true, NO_WORDS);
    expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, false, NO_WORDS);
    expect_state(script, 7, ALL_ENABLED);
    assert_true(resync_all(script->rm));
    rm_script_end(script);
    assert_null(rm_script_object(script, 0, handles[0]));
    assert_int_equal(rm_script_object(script, 0, handles[1])->physical, OBJECT_NOT_LOADED);
    assert_int_equal(rm_script_object(script, 0, handles[2])->physical, OBJECT(2));
    assert_int_equal(script->rm->objects_loaded, 1);
}

/* What nobody knows of stays in doubt until it is flushed. */
static void test_R32_flush_that_is_not_answered_is_tried_again(void **state)
{
    static const struct {
        uint32_t code;
        bool again;
    } cases[] = {{TPM2_RC_RETRY, true},
                 {TPM2_RC_LOCKOUT, true},
                 {TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1, false},
                 {TPM2_RC_FAILURE, false}};
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, WORDS(OBJECT(7)));
        expect_flush(&script->chip, OBJECT(7), cases[i].code);
        expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_LOADED_SESSIONS, false, NO_WORDS);
        expect_query(&script->chip, TPM2_CAP_HANDLES, HANDLE_SAVED_SESSIONS, false, NO_WORDS);
        expect_state(script, 7, ALL_ENABLED);
        assert_int_equal(resync_all(script->rm), !cases[i].again);
        assert_int_equal(script->rm->books_in_doubt, cases[i].again);
        rm_script_end(script);
    }
}

/* A chip that has no lists is taken at our word; one that gives no answer now is asked again. */
static void test_R32_chip_that_lists_nothing(void **state)
{
    static const struct {
        uint32_t code;
        bool believed;
    } cases[] = {{TPM2_RC_COMMAND_CODE, true},
                 {TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, true},
                 {TPM2_RC_RETRY, false},
                 {TPM2_RC_FAILURE, false}};
    struct rm_script *script = *state;
    struct exchange *exchange;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        script->rm->books_in_doubt = true;
        exchange_answer_code(
            expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, NO_WORDS),
            cases[i].code);
        assert_int_equal(resync_all(script->rm), cases[i].believed);
        assert_int_equal(script->rm->books_in_doubt, !cases[i].believed);
        rm_script_end(script);
    }
    exchange = expect_query(&script->chip, TPM2_CAP_HANDLES, OBJECT(0), false, NO_WORDS);
    exchange->size = response_build_success(exchange->response, exchange->size + 1);
    assert_false(resync_all(script->rm));
    rm_script_end(script);
}

/* The chip counts its resets, and says which hierarchies are on. */
static void test_R32_contexts_that_the_chip_would_refuse(void **state)
{
    static const struct {
        uint32_t resets, enabled;
        bool owner, endorsement, platform;
    } cases[] = {
        {7, ALL_ENABLED, true, true, true},
        {8, ALL_ENABLED, false, false, false},
        /* Only TPM2_Clear sets the count to 0. */
        {0, ALL_ENABLED, true, true, true},
        {7, ALL_ENABLED & ~TPMA_STARTUP_CLEAR_SHENABLE, false, true, true},
        {7, ALL_ENABLED & ~TPMA_STARTUP_CLEAR_EHENABLE, true, false, true},
        {7, ALL_ENABLED & ~TPMA_STARTUP_CLEAR_PHENABLE, true, true, false},
    };
    static const uint32_t hierarchies[] = {TPM2_RH_OWNER, TPM2_RH_ENDORSEMENT, TPM2_RH_PLATFORM};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rm_script *script = *state;
        uint32_t handles[3];

        for (uint32_t k = 0; k < 3; k++) {
            handles[k] = rm_script_make(script, 0, OBJECT(k));
            expect_save(script, OBJECT(k), KEPT_IN(5 + k, hierarchies[k]));
            expect_flush(&script->chip, OBJECT(k), TPM2_RC_SUCCESS);
            while (rm_idle(script->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE)
                ;
        }
        expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
        expect_state(script, cases[i].resets, cases[i].enabled);
        assert_true(resync_all(script->rm));
        assert_int_equal(rm_script_object(script, 0, handles[0]) != NULL, cases[i].owner);
        assert_int_equal(rm_script_object(script, 0, handles[1]) != NULL, cases[i].endorsement);
        assert_int_equal(rm_script_object(script, 0, handles[2]) != NULL, cases[i].platform);
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
    }
}

/* Neither is told: without an answer it is asked again, a refusal is one. */
static void test_R32_chip_that_does_not_tell_its_state(void **state)
{
    struct rm_script *script = *state;
    static const uint32_t codes[] = {TPM2_RC_COMMAND_CODE, TPM2_RC_RETRY};

    for (unsigned i = 0; i < 4; i++) {
        bool clock = i < 2, told = i % 2 == 0;

        expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
        expect_state(script, 7, ALL_ENABLED);
        exchange_answer_code(&script->chip.exchanges[clock ? 3 : 4], codes[i % 2]);
        if (clock && !told)
            script->chip.count = 4;
        assert_int_equal(resync_all(script->rm), told);
        rm_script_end(script);
    }
    /* Another property than the one that was asked for tells nothing. */
    expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, 0);
    store_be32(script->chip.exchanges[4].response + CAPABILITY_ITEMS_AT, TPM2_PT_STARTUP_CLEAR + 1);
    assert_true(resync_all(script->rm));
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R14_what_is_no_answer_is_a_failure),
        TEST(test_R31_busy_chip),
        TEST(test_R32_chip_that_does_not_tell_its_state),
        TEST(test_R32_chip_that_lists_nothing),
        TEST(test_R32_chip_that_was_reset_and_started),
        TEST(test_R32_chip_that_is_reset_again_and_again),
        TEST(test_R32_chip_that_was_reset_is_started),
        TEST(test_R32_contexts_that_the_chip_would_refuse),
        TEST(test_R32_flush_that_is_not_answered_is_tried_again),
        TEST(test_R32_objects_are_where_the_chip_has_them),
        TEST(test_R32_sessions_are_where_the_chip_has_them),
        TEST(test_R33_doubts_in_failure_mode),
        TEST(test_R33_failure_mode_ends_when_the_chip_says_so),
        TEST(test_R33_success_of_another_command_ends_failure_mode),
        TEST(test_R34_lost_answer_puts_the_books_in_doubt),
    };

    return cmocka_run_group_tests_name("rm-doubts", tests, NULL, NULL);
}
