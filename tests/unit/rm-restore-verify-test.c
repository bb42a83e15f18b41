/* SPDX-License-Identifier: BSD-2-Clause */
/* Books of a former daemon, compared with what the chip says that it has: to the byte. */
#include "base/log.h"
#include "chip-script.h"
#include "restore-story.h"
#include "rm-invariants.h"
#include "rm/resync.h"
#include "wire/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#define ALL_ENABLED \
    (TPMA_STARTUP_CLEAR_PHENABLE | TPMA_STARTUP_CLEAR_SHENABLE | TPMA_STARTUP_CLEAR_EHENABLE)
#define RESETS 9 /* as the story tells */

struct stage {
    struct story story;
    struct chip_script chip;
    struct rm *rm;
};

static void must_hold(const char *said)
{
    if (said)
        fail_msg("%s", said);
}

static int setup(void **state)
{
    static struct stage stage;
    struct journal_image image;

    log_threshold = LOG_LEVEL_SILENT;
    chip_script_init(&stage.chip);
    story_begin(&stage.story);
    stage.rm = story_manager();
    stage.rm->tpm = &stage.chip.tpm;
    story_tell(&stage.story, &image);
    assert_true(restore_books(stage.rm, &image));
    *state = &stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    chip_script_end(&stage->chip);
    must_hold(rm_invariants_books(stage->rm));
    restore_undo(stage->rm);
    rm_free(stage->rm);
    story_end(&stage->story);
    return 0;
}

static struct object *object_at(const struct stage *stage, unsigned holder, unsigned handle)
{
    return handles_find(&rm_find_client(stage->rm, STORY_COOKIE(holder))->handles,
                        STORY_HANDLE(handle));
}

/* TPM2_ReadPublic, with a public area and a Name of `size` bytes 0x4E and then `last` in its
 * answer; or with a code. */
static struct exchange *expect_public(struct stage *stage, unsigned object, size_t size,
                                      uint8_t last)
{
    struct exchange *exchange = chip_script_next(&stage->chip);
    uint8_t *at = exchange->response + HEADER_SIZE;

    exchange->command_size = command_build_read_public(exchange->command, STORY_PHYSICAL(object));
    store_be16(at, 3);
    memset(at + 2, 0x11, 3);
    store_be16(at + 5, (uint16_t)size);
    memset(at + 7, 0x4E, size);
    at[7 + size - 1] = last;
    store_be16(at + 7 + size, 0);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 7 + size + 2);
    return exchange;
}

static void expect_public_code(struct stage *stage, unsigned object, uint32_t code)
{
    exchange_answer_code(expect_public(stage, object, RECORD_NAME, 0x4E), code);
}

static void expect_objects(struct stage *stage)
{
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x80000000, false,
                 WORDS(STORY_PHYSICAL(BARE), STORY_PHYSICAL(CLEAN), STORY_PHYSICAL(SEQUENCE),
                       STORY_PHYSICAL(ORPHAN)));
}

static void expect_flushed(struct stage *stage, unsigned object)
{
    expect_flush(&stage->chip, STORY_PHYSICAL(object), TPM2_RC_SUCCESS);
}

/* All sessions are where the story has them. */
static void expect_sessions(struct stage *stage)
{
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x02000000, false,
                 WORDS(STORY_SESSION(HERE), STORY_SESSION(ENDING)));
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x03000000, false,
                 WORDS(STORY_SESSION(AWAY), STORY_SESSION(HELD), STORY_SESSION(REFRESHED),
                       STORY_SESSION(LEFT), STORY_SESSION(LOST)));
}

/* All hierarchies are on. */
static void expect_enabled(struct stage *stage)
{
    struct exchange *exchange =
        expect_query(&stage->chip, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_STARTUP_CLEAR, false,
                     WORDS(TPM2_PT_STARTUP_CLEAR, ALL_ENABLED));

    exchange->command_size = command_build_get_capability(
        exchange->command, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_STARTUP_CLEAR, 1);
}

static void expect_rest(struct stage *stage, uint32_t resets)
{
    expect_sessions(stage);
    expect_clock(&stage->chip, resets);
    expect_enabled(stage);
}

static void test_what_is_proven_stays_and_what_has_a_context_leaves(void **state)
{
    struct stage *stage = *state;

    expect_objects(stage);
    expect_public(stage, BARE, RECORD_NAME, 0x4E);
    expect_public_code(stage, SEQUENCE, TPM2_RC_SEQUENCE);
    expect_flushed(stage, CLEAN);
    expect_flushed(stage, ORPHAN);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_false(stage->rm->books_in_doubt);
    assert_int_equal(object_at(stage, ALICE, ALICE_BARE)->physical, STORY_PHYSICAL(BARE));
    assert_int_equal(object_at(stage, BOB, BOB_SEQUENCE)->physical, STORY_PHYSICAL(SEQUENCE));
    assert_int_equal(object_at(stage, ALICE, ALICE_CLEAN)->physical, OBJECT_NOT_LOADED);
    assert_non_null(object_at(stage, ALICE, ALICE_OUT));
    assert_non_null(object_at(stage, BOB, BOB_SAVED_SEQUENCE));
    assert_int_equal(stage->rm->session_count, UNSTARTED);
    /* Nothing is asked a second time. */
    assert_true(resync_doubt(stage->rm));
}

/* The object loses its handle, and what has its place is flushed, as what nobody knows of is. */
static void expect_lost(struct stage *stage, unsigned object)
{
    if (object == BARE) {
        expect_public_code(stage, SEQUENCE, TPM2_RC_SEQUENCE);
        expect_flushed(stage, BARE);
        expect_flushed(stage, CLEAN);
    } else {
        expect_flushed(stage, CLEAN);
        expect_flushed(stage, SEQUENCE);
    }
    expect_flushed(stage, ORPHAN);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_false(stage->rm->books_in_doubt);
    if (object == BARE)
        assert_null(object_at(stage, ALICE, ALICE_BARE));
    else
        assert_null(object_at(stage, BOB, BOB_SEQUENCE));
}

static void test_a_strangers_key_under_the_same_handle_is_nobodys(void **state)
{
    expect_objects(*state);
    expect_public(*state, BARE, RECORD_NAME, 0x4F);
    expect_lost(*state, BARE);
}

static void test_a_strangers_sequence_is_no_key(void **state)
{
    expect_objects(*state);
    expect_public_code(*state, BARE, TPM2_RC_SEQUENCE);
    expect_lost(*state, BARE);
}

static void test_a_strangers_key_is_no_sequence(void **state)
{
    expect_objects(*state);
    expect_public(*state, BARE, RECORD_NAME, 0x4E);
    expect_public(*state, SEQUENCE, RECORD_NAME, 0x4E);
    expect_lost(*state, SEQUENCE);
}

static void test_a_key_without_a_name_is_lost(void **state)
{
    struct stage *stage = *state;

    object_at(stage, ALICE, ALICE_BARE)->name_size = 0;
    expect_objects(stage);
    expect_public(stage, BARE, RECORD_NAME, 0x4E);
    expect_lost(stage, BARE);
}

static void test_a_shorter_name_is_another(void **state)
{
    expect_objects(*state);
    expect_public(*state, BARE, RECORD_NAME - 1, 0x4E);
    expect_lost(*state, BARE);
}

/* Of a Name by a longer digest the start is noted. */
static void test_a_longer_name_is_told_by_its_start(void **state)
{
    struct stage *stage = *state;

    expect_objects(stage);
    expect_public(stage, BARE, 50, 0x55);
    expect_public_code(stage, SEQUENCE, TPM2_RC_SEQUENCE);
    expect_flushed(stage, CLEAN);
    expect_flushed(stage, ORPHAN);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_non_null(object_at(stage, ALICE, ALICE_BARE));
}

static void test_a_short_name_that_goes_on_is_another(void **state)
{
    struct stage *stage = *state;

    object_at(stage, ALICE, ALICE_BARE)->name_size = 22;
    expect_objects(stage);
    expect_public(stage, BARE, 23, 0x4E);
    expect_lost(stage, BARE);
}

/* An answer whose fields do not fit into it has no Name. */
static void test_a_cut_answer_proves_nothing(void **state)
{
    struct stage *stage = *state;
    struct exchange *exchange;

    expect_objects(stage);
    exchange = expect_public(stage, BARE, RECORD_NAME, 0x4E);
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 7 + RECORD_NAME - 1);
    expect_lost(stage, BARE);
}

static void test_a_refusal_proves_nothing(void **state)
{
    expect_objects(*state);
    expect_public_code(*state, BARE, TPM2_RC_HANDLE + TPM2_RC_H + TPM2_RC_1);
    expect_lost(*state, BARE);
}

/* Without an answer nothing is lost: the chip is asked again before the next command. */
static void check_asked_again(struct stage *stage, uint32_t code, int error)
{
    struct exchange *exchange;

    expect_objects(stage);
    exchange = expect_public(stage, BARE, RECORD_NAME, 0x4E);
    exchange_answer_code(exchange, code);
    exchange->error = error;
    expect_public_code(stage, SEQUENCE, TPM2_RC_SEQUENCE);
    expect_flushed(stage, CLEAN);
    expect_flushed(stage, ORPHAN);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_true(stage->rm->books_in_doubt);
    assert_non_null(object_at(stage, ALICE, ALICE_BARE));

    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x80000000, false,
                 WORDS(STORY_PHYSICAL(BARE), STORY_PHYSICAL(SEQUENCE)));
    expect_public(stage, BARE, RECORD_NAME, 0x4E);
    expect_rest(stage, RESETS);
    assert_true(resync_doubt(stage->rm));
    assert_non_null(object_at(stage, ALICE, ALICE_BARE));
    assert_true(resync_doubt(stage->rm));
}

static void test_no_answer_is_asked_again(void **state)
{
    check_asked_again(*state, TPM2_RC_SUCCESS, -EIO);
}

static void test_failure_mode_is_asked_again(void **state)
{
    check_asked_again(*state, TPM2_RC_FAILURE, 0);
}

static void test_a_warning_is_asked_again(void **state)
{
    check_asked_again(*state, TPM2_RC_MEMORY, 0);
}

/* What is not there any more lives in its context, or is lost; nothing is asked about it. */
static void test_what_the_chip_does_not_list_has_left(void **state)
{
    struct stage *stage = *state;

    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x80000000, false, NO_WORDS);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_null(object_at(stage, ALICE, ALICE_BARE));
    assert_null(object_at(stage, BOB, BOB_SEQUENCE));
    assert_non_null(object_at(stage, ALICE, ALICE_CLEAN));
    assert_int_equal(stage->rm->objects_loaded, 0);
}

static void test_sessions_are_where_the_chip_has_them(void **state)
{
    struct stage *stage = *state;

    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x80000000, false, NO_WORDS);
    /* HERE was saved, and the answer with its context is lost; AWAY and HELD were loaded, and the
     * answer was lost; LEFT ended. One that nobody knows is there. */
    expect_query(
        &stage->chip, TPM2_CAP_HANDLES, 0x02000000, false,
        WORDS(STORY_SESSION(AWAY), STORY_SESSION(HELD), STORY_SESSION(ENDING), STORY_SESSION(77)));
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x03000000, false,
                 WORDS(STORY_SESSION(HERE), STORY_SESSION(REFRESHED), STORY_SESSION(LOST)));
    expect_flush(&stage->chip, STORY_SESSION(77), TPM2_RC_SUCCESS);
    expect_clock(&stage->chip, RESETS);
    expect_enabled(stage);
    restore_verify(stage->rm, false);
    assert_int_equal(session_find(stage->rm, STORY_SESSION(HERE))->state, SESSION_DOOMED);
    assert_true(session_find(stage->rm, STORY_SESSION(AWAY))->loaded);
    assert_int_equal(session_find(stage->rm, STORY_SESSION(AWAY))->state, SESSION_ACTIVE);
    assert_true(session_find(stage->rm, STORY_SESSION(HELD))->loaded);
    assert_int_equal(session_find(stage->rm, STORY_SESSION(HELD))->state, SESSION_CLIENT_SAVED);
    assert_null(session_find(stage->rm, STORY_SESSION(LEFT)));
}

/* The chip was reset, and somebody else has started it: the count tells. */
static void test_a_reset_shows_by_its_count(void **state)
{
    struct stage *stage = *state;

    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x80000000, false, NO_WORDS);
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x02000000, false, NO_WORDS);
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x03000000, false, NO_WORDS);
    expect_clock(&stage->chip, RESETS + 1);
    expect_enabled(stage);
    restore_verify(stage->rm, false);
    assert_true(list_empty(&stage->rm->objects));
    assert_true(list_empty(&stage->rm->sessions));
    assert_non_null(rm_find_client(stage->rm, STORY_COOKIE(ALICE)));
}

/* Our Startup succeeded: what was in slots is gone; a TPM Restart keeps contexts, but for those
 * with stClear, and saved sessions. */
static void test_a_startup_that_succeeds_is_a_reset(void **state)
{
    struct stage *stage = *state;

    expect_clock(&stage->chip, RESETS);
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x02000000, false, NO_WORDS);
    expect_query(&stage->chip, TPM2_CAP_HANDLES, 0x03000000, false,
                 WORDS(STORY_SESSION(AWAY), STORY_SESSION(HELD), STORY_SESSION(REFRESHED),
                       STORY_SESSION(LEFT), STORY_SESSION(LOST)));
    restore_verify(stage->rm, true);
    assert_false(stage->rm->books_in_doubt);
    assert_null(object_at(stage, ALICE, ALICE_BARE));
    assert_null(object_at(stage, ALICE, ALICE_OUT));
    assert_non_null(object_at(stage, ALICE, ALICE_CLEAN));
    assert_non_null(object_at(stage, BOB, BOB_SAVED_SEQUENCE));
    assert_null(session_find(stage->rm, STORY_SESSION(HERE)));
    assert_non_null(session_find(stage->rm, STORY_SESSION(AWAY)));
}

/* The sequence that a lost command named is garbage by then; nothing is asked about it. */
static void test_what_the_lost_command_named_is_flushed(void **state)
{
    uint8_t command[] = {0x80, 0x02, 0, 0, 0, 27, 0, 0, 0x01, 0x5C, 0, 0, 0, 0,
                         0,    0,    0, 9, 0, 0,  0, 0, 0,    0,    1, 0, 0};
    struct stage *stage = *state;

    store_be32(command + 10, STORY_HANDLE(BOB_SEQUENCE));
    store_be32(command + 18, STORY_SESSION(HERE));
    restore_lost_answer(rm_find_client(stage->rm, STORY_COOKIE(BOB)), command, sizeof(command));
    expect_objects(stage);
    expect_public(stage, BARE, RECORD_NAME, 0x4E);
    expect_flushed(stage, CLEAN);
    expect_flushed(stage, SEQUENCE);
    expect_flushed(stage, ORPHAN);
    expect_rest(stage, RESETS);
    restore_verify(stage->rm, false);
    assert_int_equal(session_find(stage->rm, STORY_SESSION(HERE))->state, SESSION_DOOMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_proven_stays_and_what_has_a_context_leaves),
        TEST(test_a_strangers_key_under_the_same_handle_is_nobodys),
        TEST(test_a_strangers_sequence_is_no_key),
        TEST(test_a_strangers_key_is_no_sequence),
        TEST(test_a_key_without_a_name_is_lost),
        TEST(test_a_shorter_name_is_another),
        TEST(test_a_longer_name_is_told_by_its_start),
        TEST(test_a_short_name_that_goes_on_is_another),
        TEST(test_a_cut_answer_proves_nothing),
        TEST(test_a_refusal_proves_nothing),
        TEST(test_no_answer_is_asked_again),
        TEST(test_failure_mode_is_asked_again),
        TEST(test_a_warning_is_asked_again),
        TEST(test_what_the_chip_does_not_list_has_left),
        TEST(test_sessions_are_where_the_chip_has_them),
        TEST(test_a_reset_shows_by_its_count),
        TEST(test_a_startup_that_succeeds_is_a_reset),
        TEST(test_what_the_lost_command_named_is_flushed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
