/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done while the chip is idle, one command at a time, and what becomes of what is given
 * up; and what the chip may do to an object under a command. */
#include "rm-script.h"
#include "rm/object-lifecycle.h"
#include "rm/rc.h"
#include "rm/room.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SESSION(n) (UINT32_C(0x03000000) + (n))
#define OBJECT(n)  (UINT32_C(0x80000000) + (n))

#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
#define KEPT(number)     (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})

/* One step, which is what the script has. */
static void expect_step(struct rm_script *script, enum rm_idle_goal goal)
{
    assert_int_equal(rm_idle(script->rm, goal), RM_IDLE_MORE);
    rm_script_end(script);
}

static void expect_rest(struct rm_script *script, enum rm_idle_goal goal)
{
    assert_int_equal(rm_idle(script->rm, goal), RM_IDLE_DONE);
    rm_script_end(script);
}

static void test_tidying_flushes_what_nobody_can_name(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(0)),
             other = rm_script_make(script, 0, OBJECT(1));

    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 20));
    expect_rest(script, RM_IDLE_TIDY);
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_flush(script, 0, SESSION(1)), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_flush(script, 0, 0x02000002), TPM2_RC_SUCCESS);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_TIDY);
    expect_flush(&script->chip, SESSION(2), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_TIDY);
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_TIDY);
    expect_rest(script, RM_IDLE_TIDY);
    assert_int_equal(script->rm->session_count, 0);
    assert_int_equal(script->rm->objects_loaded, 1);
    assert_non_null(rm_script_object(script, 0, other));
}

static void test_saving_saves_each_object_once(void **state)
{
    struct rm_script *script = *state;

    rm_script_make(script, 0, OBJECT(0));
    rm_script_make(script, 0, OBJECT(1));
    rm_script_start(script, 0, SESSION(1));
    expect_save(script, OBJECT(0), KEPT(5));
    expect_step(script, RM_IDLE_SAVE);
    expect_save(script, OBJECT(1), KEPT(6));
    expect_step(script, RM_IDLE_SAVE);
    expect_rest(script, RM_IDLE_SAVE);
    expect_rest(script, RM_IDLE_TIDY);
    assert_int_equal(script->rm->objects_loaded, 2);
}

static void test_emptying_leaves_nothing(void **state)
{
    struct rm_script *script = *state;

    rm_script_make(script, 0, OBJECT(0));
    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    expect_save(script, OBJECT(0), KEPT(5));
    expect_step(script, RM_IDLE_EMPTY);
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_EMPTY);
    expect_save(script, SESSION(1), SAVED(1, 20));
    expect_step(script, RM_IDLE_EMPTY);
    expect_save(script, SESSION(2), SAVED(2, 21));
    expect_step(script, RM_IDLE_EMPTY);
    expect_rest(script, RM_IDLE_EMPTY);
    assert_int_equal(script->rm->objects_loaded + script->rm->sessions_loaded, 0);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_ACTIVE);
    assert_false(rm_script_session(script, SESSION(1))->loaded);
}

/* What the chip refuses ends the clean-up; it is tried again the next time. */
static void test_steps_that_fail(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(0));

    rm_script_start(script, 0, SESSION(1));
    exchange_answer_code(expect_save(script, OBJECT(0), KEPT(5)), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_SAVE);
    exchange_answer_code(expect_save(script, OBJECT(0), KEPT(5)), TPM2_RC_VALUE);
    expect_save(script, SESSION(1), SAVED(1, 20));
    expect_step(script, RM_IDLE_EMPTY);
    exchange_answer_code(expect_save(script, OBJECT(0), KEPT(5)), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_EMPTY);
    assert_int_equal(rm_script_flush(script, 0, SESSION(1)), TPM2_RC_SUCCESS);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_TIDY);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1);
    expect_step(script, RM_IDLE_TIDY);
    assert_int_equal(rm_script_flush(script, 0, key), TPM2_RC_SUCCESS);
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_TIDY);
    /* The answer is lost: the next step asks, but not while there is no TPM. */
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS)->error = -EIO;
    expect_rest(script, RM_IDLE_TIDY);
    assert_true(rm_tpm_lost(script->rm));
    expect_rest(script, RM_IDLE_TIDY);
    script->rm->condition = TPM_FAILURE_MODE;
    expect_rest(script, RM_IDLE_TIDY);
    script->rm->condition = TPM_SERVING;
    expect_lists(script, NO_HANDLES, NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, ALL_ENABLED);
    expect_step(script, RM_IDLE_TIDY);
    expect_rest(script, RM_IDLE_TIDY);
    assert_int_equal(script->rm->objects_loaded, 0);
}

/* What a step finds wrong is put right by the next one. */
static void test_step_that_finds_something_wrong(void **state)
{
    struct rm_script *script = *state;
    struct exchange *exchange;

    rm_script_make(script, 0, OBJECT(0));
    exchange = expect_save(script, OBJECT(0), KEPT(5));
    store_be32(exchange->response + 2, HEADER_SIZE);
    expect_step(script, RM_IDLE_SAVE);
    assert_true(script->rm->books_in_doubt);
    expect_lists(script, HANDLES(OBJECT(0)), NO_HANDLES, NO_HANDLES);
    expect_state(script, 7, ALL_ENABLED);
    expect_step(script, RM_IDLE_SAVE);
    expect_save(script, OBJECT(0), KEPT(5));
    expect_step(script, RM_IDLE_SAVE);
    expect_rest(script, RM_IDLE_SAVE);
}

/* A session that is refreshed takes a slot meanwhile. */
static void test_R25_refresh_finds_a_slot(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 0, SESSION(4));
    script->rm->newest_sequence = 521;
    expect_save(script, SESSION(2), SAVED(2, 522));
    expect_step(script, RM_IDLE_TIDY);
    expect_load(script, SAVED(1, 20), SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 523));
    expect_step(script, RM_IDLE_TIDY);
    expect_rest(script, RM_IDLE_TIDY);
    assert_int_equal(script->rm->sessions_loaded, 2);
    assert_int_equal(rm_script_session(script, SESSION(2))->state, SESSION_ACTIVE);
    assert_false(rm_script_session(script, SESSION(2))->loaded);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_CLIENT_SAVED);
}

/* One that is saved must be saved within the gap: if the chip says so, the oldest is refreshed. */
static void test_R25_eviction_that_meets_the_gap(void **state)
{
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    exchange_answer_code(expect_save(script, SESSION(2), SAVED(2, 0)), TPM2_RC_CONTEXT_GAP);
    expect_load(script, SAVED(1, 20), SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 21));
    expect_save(script, SESSION(2), SAVED(2, 22));
    expect_step(script, RM_IDLE_EMPTY);
    /* Another refusal has no such remedy. */
    rm_script_start(script, 0, SESSION(3));
    exchange_answer_code(expect_save(script, SESSION(3), SAVED(3, 0)), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_EMPTY);
    assert_int_equal(rm_script_session(script, SESSION(3))->state, SESSION_ACTIVE);
    assert_true(rm_script_session(script, SESSION(3))->loaded);
    exchange_answer_code(expect_save(script, SESSION(3), SAVED(3, 0)), TPM2_RC_CONTEXT_GAP);
    exchange_answer_code(expect_load(script, SAVED(1, 21), 0), TPM2_RC_VALUE);
    expect_rest(script, RM_IDLE_EMPTY);
}

/* The chip gives a handle again that the books have for something else: that is not there any more,
 * unless a command has just named it. */
static void test_R14_handle_that_is_given_twice(void **state)
{
    struct rm_script *script = *state;
    uint32_t lost = rm_script_make(script, 0, OBJECT(0)),
             other = rm_script_make(script, 0, OBJECT(1));
    struct object *object = rm_script_object(script, 0, other);

    assert_int_equal(rm_script_make(script, 0, OBJECT(0)), OBJECT(2));
    assert_null(rm_script_object(script, 0, lost));
    assert_int_equal(script->rm->objects_loaded, 2);
    object->pinned = true;
    assert_false(
        object_lifecycle_loaded(script->rm, rm_script_object(script, 0, OBJECT(2)), OBJECT(1)));
    object->pinned = false;
    assert_int_equal(object->physical, OBJECT(1));
    /* The same one, where it was. */
    assert_true(object_lifecycle_loaded(script->rm, object, OBJECT(1)));
    assert_int_equal(script->rm->objects_loaded, 2);
    rm_script_end(script);
}

/* Of things that nobody has a handle for, what no context leads to goes first. */
static void test_order_in_which_kinds_leave(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[3];

    for (uint32_t i = 0; i < 3; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    assert_ptr_equal(room_choose_object(script->rm), rm_script_object(script, 0, handles[0]));
    assert_null(room_choose_clean_object(script->rm));
    expect_save(script, OBJECT(1), KEPT(5));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handles[1], 0),
                     TPM2_RC_SUCCESS);
    assert_ptr_equal(room_choose_clean_object(script->rm), rm_script_object(script, 0, handles[1]));
    assert_int_equal(rm_script_flush(script, 0, handles[1]), TPM2_RC_SUCCESS);
    assert_int_equal(room_choose_object(script->rm)->physical, OBJECT(1));
    assert_int_equal(rm_script_flush(script, 0, handles[2]), TPM2_RC_SUCCESS);
    assert_int_equal(room_choose_object(script->rm)->physical, OBJECT(2));
    assert_true(room_is_garbage(room_choose_object(script->rm)));
    expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_TIDY);
    expect_rest(script, RM_IDLE_TIDY);
    /* A context that is known keeps the object, and its slot. */
    expect_flush(&script->chip, OBJECT(1), TPM2_RC_SUCCESS);
    expect_step(script, RM_IDLE_EMPTY);
    assert_int_equal(script->rm->objects_loaded, 1);
}

/* Doomed sessions leave before others, whatever was used last. */
static void test_doomed_sessions_leave_first(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    assert_int_equal(room_choose_session(script->rm)->handle, SESSION(1));
    rm_script_session(script, SESSION(1))->pinned = true;
    assert_int_equal(room_choose_session(script->rm)->handle, SESSION(2));
    rm_script_session(script, SESSION(1))->pinned = false;
    assert_int_equal(rm_script_flush(script, 0, SESSION(3)), TPM2_RC_SUCCESS);
    assert_int_equal(room_choose_session(script->rm)->handle, SESSION(3));
    expect_flush(&script->chip, SESSION(3), TPM2_RC_SUCCESS);
    assert_int_equal(room_make_session(script->rm, TRACE_FOR_IDLE), TPM2_RC_SUCCESS);
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R14_handle_that_is_given_twice),
        TEST(test_R25_eviction_that_meets_the_gap),
        TEST(test_R25_refresh_finds_a_slot),
        TEST(test_doomed_sessions_leave_first),
        TEST(test_emptying_leaves_nothing),
        TEST(test_order_in_which_kinds_leave),
        TEST(test_saving_saves_each_object_once),
        TEST(test_step_that_finds_something_wrong),
        TEST(test_steps_that_fail),
        TEST(test_tidying_flushes_what_nobody_can_name),
    };

    return cmocka_run_group_tests_name("rm-idle", tests, NULL, NULL);
}
