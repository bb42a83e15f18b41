/* SPDX-License-Identifier: BSD-2-Clause */
/* What the books say after each answer of the chip, and what the chip is sent for them, to the
 * byte: the context gap, what is dead, and who is given up. */
#include "rm-script.h"
#include "rm/context-gap.h"
#include "rm/context-transfer.h"
#include "rm/object-lifecycle.h"
#include "rm/rc.h"
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

/* A context of session `n` with this number. */
#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
/* One of an object. */
#define KEPT(number) (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})

static void test_saved_session_has_its_number(void **state)
{
    struct rm_script *script = *state;
    const struct session *session;

    rm_script_start(script, 0, SESSION(1));
    session = rm_script_session(script, SESSION(1));
    assert_true(session->loaded);
    assert_int_equal(script->rm->sessions_loaded, 1);
    assert_int_equal(script->rm->session_count, 1);
    rm_script_save(script, 0, SESSION(1), SAVED(1, UINT64_C(0x123456789)));
    assert_false(session->loaded);
    assert_int_equal(session->state, SESSION_CLIENT_SAVED);
    assert_true(session->sequence == UINT64_C(0x123456789));
    assert_true(script->rm->newest_sequence == UINT64_C(0x123456789));
    assert_int_equal(session->saved_at, script->rm->clock);
    assert_int_equal(session->held_since, script->rm->clock);
    assert_int_equal(script->rm->sessions_loaded, 0);
    assert_int_equal(script->rm->session_count, 1);
    rm_script_end(script);
}

/* The oldest one was saved more than half of the gap ago, and not for the last command. */
static void test_refresh_is_due_at_half_of_the_gap(void **state)
{
    struct rm_script *script = *state;
    struct rm *rm = script->rm;

    assert_false(context_gap_refresh_is_due(rm));
    rm_script_start(script, 0, SESSION(1));
    assert_false(context_gap_refresh_is_due(rm));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 100));
    rm->newest_sequence = 601;
    assert_false(context_gap_refresh_is_due(rm));
    rm->clock++;
    assert_true(context_gap_refresh_is_due(rm));
    rm->newest_sequence = 600;
    assert_false(context_gap_refresh_is_due(rm));
    rm->newest_sequence = 99;
    assert_false(context_gap_refresh_is_due(rm));
    rm->newest_sequence = 100;
    assert_false(context_gap_refresh_is_due(rm));
    rm_script_end(script);
}

static void test_refresh_is_of_the_oldest(void **state)
{
    struct rm_script *script = *state;

    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_CONTEXT_GAP);
    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 10));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 11));
    expect_load(script, SAVED(2, 10), SESSION(2));
    expect_save(script, SESSION(2), SAVED(2, 12));
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_SUCCESS);
    expect_load(script, SAVED(1, 11), SESSION(1));
    expect_save(script, SESSION(1), SAVED(1, 13));
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->sessions_loaded, 1);
    rm_script_end(script);
}

static void test_refresh_that_fails(void **state)
{
    struct rm_script *script = *state;
    const struct session *session;

    rm_script_start(script, 0, SESSION(1));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 10));
    session = rm_script_session(script, SESSION(1));
    exchange_answer_code(expect_load(script, SAVED(1, 10), 0), TPM2_RC_SESSION_MEMORY);
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_SESSION_MEMORY);
    assert_false(session->loaded);
    expect_load(script, SAVED(1, 10), SESSION(1));
    exchange_answer_code(expect_save(script, SESSION(1), SAVED(1, 11)), TPM2_RC_CONTEXT_GAP);
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_CONTEXT_GAP);
    assert_true(session->loaded);
    assert_int_equal(session->state, SESSION_CLIENT_SAVED);
    assert_int_equal(script->rm->sessions_loaded, 1);
    rm_script_end(script);
}

/* One that nobody wants is not refreshed, but ended. */
static void test_refresh_ends_what_is_doomed(void **state)
{
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 10));
    assert_int_equal(rm_script_flush(script, 0, SESSION(1)), TPM2_RC_SUCCESS);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_RETRY);
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_RETRY);
    assert_int_equal(script->rm->session_count, 1);
    chip_script_end(&script->chip);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_SUCCESS);
    assert_int_equal(context_gap_refresh(script->rm), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->session_count, 0);
    assert_null(rm_script_session(script, SESSION(1)));
    rm_script_end(script);
}

/* Fills the slots with objects 1 to 3 of client 0, and has a fourth one push the first out. */
static void fill_objects(struct rm_script *script, uint32_t handles[4])
{
    for (uint32_t i = 0; i < 3; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    expect_save(script, OBJECT(0), KEPT(5));
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    handles[3] = rm_script_make(script, 0, OBJECT(0));
    assert_int_equal(script->rm->objects_loaded, 3);
    rm_script_end(script);
}

static const uint32_t dead_codes[] = {
    TPM2_RC_INTEGRITY + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_SIZE + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_HIERARCHY + TPM2_RC_P + TPM2_RC_1,
};
static const uint32_t other_codes[] = {
    TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_NV_UNAVAILABLE,
    TPM2_RC_FAILURE,
    RM_RC(TPM2_RC_INTEGRITY),
};

static void test_dead_object_is_refused_and_forgotten(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[4];

    for (size_t i = 0; i < sizeof(dead_codes) / sizeof(dead_codes[0]); i++) {
        fill_objects(script, handles);
        expect_save(script, OBJECT(2), KEPT(6));
        expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
        exchange_answer_code(expect_load(script, KEPT(5), 0), dead_codes[i]);
        assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, handles[3], handles[0]),
                         RM_RC_HANDLE(1));
        assert_null(rm_script_object(script, 0, handles[0]));
        assert_false(rm_script_object(script, 0, handles[3])->pinned);
        assert_int_equal(script->rm->objects_loaded, 2);
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

static void test_other_refusals_cost_no_object(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[4];

    for (size_t i = 0; i < sizeof(other_codes) / sizeof(other_codes[0]); i++) {
        fill_objects(script, handles);
        expect_save(script, OBJECT(2), KEPT(6));
        expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
        exchange_answer_code(expect_load(script, KEPT(5), 0), other_codes[i]);
        assert_int_equal(rm_script_name(script, 0, CC_USE, 1, handles[0], 0), other_codes[i]);
        assert_non_null(rm_script_object(script, 0, handles[0]));
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

/* Sessions 1 to 3 of client 0, and a fourth one for which the first leaves. */
static void fill_sessions(struct rm_script *script)
{
    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    expect_save(script, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 0, SESSION(4));
    assert_int_equal(script->rm->sessions_loaded, 3);
    rm_script_end(script);
}

/* Room for a session that comes back is made before it is loaded. */
static void test_session_comes_back(void **state)
{
    struct rm_script *script = *state;

    fill_sessions(script);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_ACTIVE);
    assert_false(rm_script_session(script, SESSION(1))->loaded);
    expect_save(script, SESSION(3), SAVED(3, 21));
    expect_load(script, SAVED(1, 20), SESSION(1));
    expect_named(script, CC_PEEK, 1, SESSION(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_session(script, SESSION(1))->state, SESSION_ACTIVE);
    assert_true(rm_script_session(script, SESSION(1))->loaded);
    assert_int_equal(rm_script_session(script, SESSION(3))->state, SESSION_ACTIVE);
    assert_false(rm_script_session(script, SESSION(3))->loaded);
    assert_false(rm_script_session(script, SESSION(1))->pinned);
    rm_script_end(script);
    /* No context stays in the buffer that it was sent from. */
    for (size_t i = 0; i < HEADER_SIZE + SCRIPT_CONTEXT; i++)
        assert_int_equal(script->rm->own_command[i], 0);
}

/* CC_MIX of three objects. */
static size_t build_mix(uint8_t out[HEADER_SIZE + 12], uint32_t a, uint32_t b, uint32_t c)
{
    header_store(out, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 12, CC_MIX);
    store_be32(out + HEADER_SIZE, a);
    store_be32(out + HEADER_SIZE + 4, b);
    store_be32(out + HEADER_SIZE + 8, c);
    return HEADER_SIZE + 12;
}

/* Two slots more than there are beside the reserve: both objects are to leave by a mere flush. */
static void test_R63_object_that_is_named_twice_is_one(void **state)
{
    struct rm_script *script = *state;
    uint32_t a = rm_script_make(script, 0, OBJECT(0)), b = rm_script_make(script, 0, OBJECT(1));
    uint8_t command[HEADER_SIZE + 12];
    struct exchange *exchange;

    expect_save(script, OBJECT(0), KEPT(5));
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    rm_set_reserve(script->rm, &(struct rm_reserve){.objects = 2});
    while (rm_settle(script->rm))
        ;
    rm_script_end(script);
    assert_int_equal(script->rm->objects_loaded, 1);
    expect_save(script, OBJECT(1), KEPT(6));
    expect_load(script, KEPT(5), OBJECT(0));
    exchange = chip_script_next(&script->chip);
    exchange->command_size = build_mix(exchange->command, OBJECT(0), OBJECT(0), OBJECT(1));
    store_be32(exchange->response + HEADER_SIZE, OBJECT(2));
    exchange->size = response_build_success(exchange->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_send(script, 0, command, build_mix(command, a, a, b)),
                     TPM2_RC_SUCCESS);
    rm_script_end(script);
}

/* Bytes that were loaded once are no good to be handed out again, so that the session must be
 * loaded. The one that leaves for it is too young for the context gap, so that this one is loaded
 * and saved anew; but that second save is refused: it is where it was wanted. */
static void test_session_comes_back_by_a_refresh(void **state)
{
    uint8_t load[HEADER_SIZE + SCRIPT_CONTEXT], bytes[SCRIPT_CONTEXT];
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    script_context_store(bytes, SAVED(1, 20));
    assert_int_equal(
        rm_script_send(script, 0, load, command_build_context_load(load, bytes, sizeof(bytes))),
        TPM2_RC_SUCCESS);
    for (uint32_t i = 2; i <= 4; i++)
        rm_script_start(script, 0, SESSION(i));
    rm_script_end(script);
    exchange_answer_code(expect_save(script, SESSION(2), SAVED(2, 21)), TPM2_RC_CONTEXT_GAP);
    expect_load(script, SAVED(1, 20), SESSION(1));
    exchange_answer_code(expect_save(script, SESSION(1), SAVED(1, 21)), TPM2_RC_RETRY);
    rm_script_save(script, 0, SESSION(1), SAVED(1, 22));
    assert_false(rm_script_session(script, SESSION(1))->loaded);
    assert_int_equal(script->rm->sessions_loaded, 3);
    rm_script_end(script);
}

static void test_dead_session_is_refused_and_forgotten(void **state)
{
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(dead_codes) / sizeof(dead_codes[0]); i++) {
        fill_sessions(script);
        expect_save(script, SESSION(3), SAVED(3, 21));
        exchange_answer_code(expect_load(script, SAVED(1, 20), 0), dead_codes[i]);
        assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), RM_RC_HANDLE(0));
        assert_null(rm_script_session(script, SESSION(1)));
        assert_int_equal(script->rm->session_count, 3);
        assert_int_equal(script->clients[0]->session_count, 3);
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

static void test_other_refusals_cost_no_session(void **state)
{
    struct rm_script *script = *state;

    for (size_t i = 0; i < sizeof(other_codes) / sizeof(other_codes[0]); i++) {
        fill_sessions(script);
        expect_save(script, SESSION(3), SAVED(3, 21));
        exchange_answer_code(expect_load(script, SAVED(1, 20), 0), other_codes[i]);
        assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), other_codes[i]);
        assert_non_null(rm_script_session(script, SESSION(1)));
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
        script = *state;
    }
}

/* What the chip gives for a session's context must be one of that session. */
static void test_contexts_of_other_things_are_not_taken(void **state)
{
    static const struct script_context contexts[] = {
        {20, SESSION(2), 0x40000007},
        {20, OBJECT(1), 0x40000007},
        {20, UINT32_C(0x04000001), 0x40000007},
        {20, SESSION(1), 0x40000007},
    };
    struct rm_script *script = *state;
    const struct session *session;

    rm_script_start(script, 0, SESSION(1));
    session = rm_script_session(script, SESSION(1));
    for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
        struct exchange *exchange = expect_save(script, SESSION(1), &contexts[i]);

        exchange->response[HEADER_SIZE + 17] += i == 3; /* the size of its blob */
        assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, SESSION(1), 0),
                         RM_RC_FAILURE);
        assert_true(session->loaded);
        assert_true(blob_empty(&session->saved));
        assert_true(script->rm->books_in_doubt);
        script->rm->books_in_doubt = false;
        rm_script_end(script);
    }
}

/* Nor is every answer to a load one, and it puts the books in doubt. */
static void test_loads_that_give_something_else(void **state)
{
    static const struct {
        uint32_t handle;
        size_t size;
    } cases[] = {{SESSION(7), 4}, {OBJECT(1), 3}, {OBJECT(1), 5}, {OBJECT(1), 0}};
    struct rm_script *script = *state;
    uint32_t handles[4];

    fill_objects(script, handles);
    script->rm->chip.object_slots = 9;
    rm_script_start(script, 0, SESSION(1));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct exchange *exchange = expect_load(script, KEPT(5), cases[i].handle);

        exchange->size = response_build_success(exchange->response, HEADER_SIZE + cases[i].size);
        assert_int_equal(
            context_transfer_load_object(script->rm, rm_script_object(script, 0, handles[0])),
            RM_RC_FAILURE);
        assert_true(script->rm->books_in_doubt);
        script->rm->books_in_doubt = false;
        expect_load(script, SAVED(1, 20), SESSION(2 + i));
        assert_int_equal(
            context_transfer_load_session(script->rm, rm_script_session(script, SESSION(1))),
            RM_RC_FAILURE);
        assert_true(script->rm->books_in_doubt);
        script->rm->books_in_doubt = false;
        rm_script_end(script);
    }
    assert_int_equal(script->rm->objects_loaded, 3);
    assert_int_equal(script->rm->sessions_loaded, 0);
}

/* An answer to a save without a context. */
static void test_saves_that_give_nothing(void **state)
{
    struct rm_script *script = *state;
    uint32_t key = rm_script_make(script, 0, OBJECT(1));
    struct exchange *exchange = expect_save(script, OBJECT(1), KEPT(5));

    exchange->size = response_build_success(exchange->response, HEADER_SIZE);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, key, 0), RM_RC_FAILURE);
    assert_true(blob_empty(&rm_script_object(script, 0, key)->saved));
    rm_script_end(script);
}

/* In failure mode what is in the chip is used as it is; what is not asks whether it is over. */
static void test_R33_what_is_resident_asks_for_nothing(void **state)
{
    struct rm_script *script = *state;

    fill_sessions(script);
    script->rm->condition = TPM_FAILURE_MODE;
    expect_named(script, CC_PEEK, 1, SESSION(2), 0, TPM2_RC_FAILURE);
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(2), 0), TPM2_RC_FAILURE);
    expect_named(script, TPM2_CC_GetTestResult, 0, 0, 0, TPM2_RC_FAILURE);
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), TPM2_RC_FAILURE);
    rm_script_end(script);
}

/* A context that a reset made void: of what is loaded it is made anew, what is not is gone. */
static void test_void_contexts_are_dropped(void **state)
{
    struct rm_script *script = *state;
    struct object *object;
    uint32_t handles[4];
    uint8_t context[SCRIPT_CONTEXT];

    fill_objects(script, handles);
    expect_save(script, OBJECT(1), KEPT(6));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handles[1], 0),
                     TPM2_RC_SUCCESS);
    object = rm_script_object(script, 0, handles[1]);
    script_context_store(context, KEPT(6));
    assert_ptr_equal(object_find_content(script->rm, context, sizeof(context)), object);
    object_lifecycle_drop_context(script->rm, object);
    assert_ptr_equal(rm_script_object(script, 0, handles[1]), object);
    assert_true(blob_empty(&object->saved));
    assert_true(list_empty(&object->content_link));
    assert_int_equal(object->physical, OBJECT(1));

    object_lifecycle_drop_context(script->rm, rm_script_object(script, 0, handles[0]));
    assert_null(rm_script_object(script, 0, handles[0]));
    assert_int_equal(script->clients[0]->handles.count, 3);
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R33_what_is_resident_asks_for_nothing),
        TEST(test_contexts_of_other_things_are_not_taken),
        TEST(test_dead_object_is_refused_and_forgotten),
        TEST(test_dead_session_is_refused_and_forgotten),
        TEST(test_loads_that_give_something_else),
        TEST(test_other_refusals_cost_no_object),
        TEST(test_other_refusals_cost_no_session),
        TEST(test_refresh_ends_what_is_doomed),
        TEST(test_refresh_is_due_at_half_of_the_gap),
        TEST(test_refresh_is_of_the_oldest),
        TEST(test_refresh_that_fails),
        TEST(test_saved_session_has_its_number),
        TEST(test_saves_that_give_nothing),
        TEST(test_session_comes_back),
        TEST(test_session_comes_back_by_a_refresh),
        TEST(test_R63_object_that_is_named_twice_is_one),
        TEST(test_void_contexts_are_dropped),
    };

    return cmocka_run_group_tests_name("rm-books", tests, NULL, NULL);
}
