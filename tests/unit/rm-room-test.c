/* SPDX-License-Identifier: BSD-2-Clause */
/* How room is made in the chip, command by command: before it must refuse, when it does, for the
 * reserve, and while it is idle. */
#include "rm-script.h"
#include "rm/capacity.h"
#include "rm/rc.h"
#include "rm/residency.h"
#include "rm/room.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION(n)    (UINT32_C(0x03000000) + (n))
#define OBJECT(n)     (UINT32_C(0x80000000) + (n))
#define PERSISTENT(n) (UINT32_C(0x81000000) + (n))

/* Contexts of session `n`, of an object, and of a sequence object. */
#define SAVED(n, number) (&(const struct script_context){number, SESSION(n), 0x40000007})
#define KEPT(number)     (&(const struct script_context){number, CONTEXT_OBJECT, TPM2_RH_OWNER})
#define SEQUENCE(number) (&(const struct script_context){number, CONTEXT_SEQUENCE, TPM2_RH_NULL})

static void expect_eviction(struct rm_script *script, uint32_t handle, uint64_t number)
{
    expect_save(script, handle, KEPT(number));
    expect_flush(&script->chip, handle, TPM2_RC_SUCCESS);
}

static uint32_t use(struct rm_script *script, uint32_t handle)
{
    return rm_script_name(script, 0, CC_USE, 1, handle, 0);
}

static void test_room_for_two_sessions_is_made_first(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    expect_save(script, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 0, SESSION(4));
    expect_save(script, SESSION(2), SAVED(2, 21));
    rm_script_start(script, 0, SESSION(5));
    expect_save(script, SESSION(4), SAVED(4, 22));
    expect_save(script, SESSION(3), SAVED(3, 23));
    expect_load(script, SAVED(1, 20), SESSION(1));
    expect_load(script, SAVED(2, 21), SESSION(2));
    expect_named(script, CC_BOTH, 2, SESSION(1), SESSION(2), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, SESSION(1), SESSION(2)),
                     TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->sessions_loaded, 3);
    rm_script_end(script);
}

static void test_room_for_two_objects_is_made_first(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[5];

    for (uint32_t i = 0; i < 3; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    expect_eviction(script, OBJECT(0), 5);
    handles[3] = rm_script_make(script, 0, OBJECT(0));
    expect_eviction(script, OBJECT(1), 6);
    handles[4] = rm_script_make(script, 0, OBJECT(1));
    expect_eviction(script, OBJECT(0), 7);
    expect_eviction(script, OBJECT(2), 8);
    expect_load(script, KEPT(5), OBJECT(0));
    expect_load(script, KEPT(6), OBJECT(2));
    expect_named(script, CC_BOTH, 2, OBJECT(0), OBJECT(2), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, handles[0], handles[1]),
                     TPM2_RC_SUCCESS);
    /* One that stands in two places is loaded once. */
    expect_eviction(script, OBJECT(1), 9);
    expect_load(script, KEPT(8), OBJECT(1));
    expect_named(script, CC_BOTH, 2, OBJECT(1), OBJECT(1), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, handles[2], handles[2]),
                     TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 3);
    rm_script_end(script);
}

/* What the chip wants room for is what leaves. */
static void test_R14_chip_says_what_it_lacks(void **state)
{
    static const struct {
        uint32_t code;
        bool object, session;
    } cases[] = {
        {TPM2_RC_OBJECT_MEMORY, true, false},  {TPM2_RC_OBJECT_HANDLES, true, false},
        {TPM2_RC_SESSION_MEMORY, false, true}, {TPM2_RC_MEMORY, true, false},
        {TPM2_RC_VALUE, false, false},         {TPM2_RC_LOCKOUT, false, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rm_script *script = *state;
        bool again = cases[i].object || cases[i].session;

        rm_script_make(script, 0, OBJECT(0));
        rm_script_start(script, 0, SESSION(1));
        expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, cases[i].code);
        if (cases[i].object)
            expect_eviction(script, OBJECT(0), 5);
        if (cases[i].session)
            expect_save(script, SESSION(1), SAVED(1, 20));
        if (again)
            expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SUCCESS);
        assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0),
                         again ? TPM2_RC_SUCCESS : cases[i].code);
        rm_script_end(script);
        rm_script_teardown(state);
        assert_int_equal(rm_script_setup(state), 0);
    }
}

/* Once no object is left, a session may do; and then it is the client that is told. */
static void test_R14_chip_that_lacks_memory_gets_all_of_it(void **state)
{
    struct rm_script *script = *state;

    rm_script_make(script, 0, OBJECT(0));
    rm_script_start(script, 0, SESSION(1));
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_MEMORY);
    expect_eviction(script, OBJECT(0), 5);
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_MEMORY);
    expect_save(script, SESSION(1), SAVED(1, 20));
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_MEMORY);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0), TPM2_RC_MEMORY);
    assert_int_equal(script->rm->objects_loaded, 0);
    assert_int_equal(script->rm->sessions_loaded, 0);
    rm_script_end(script);
}

/* A chip that wants ever more room than there is gets no more tries than there are things in it,
 * and one. */
static void test_R14_retries_end(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 1; i <= 2; i++)
        rm_script_start(script, 0, SESSION(i));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 21));
    assert_int_equal(room_retries(script->rm), 3);
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t n = 1 + (uint32_t)(i % 2);

        expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_CONTEXT_GAP);
        if (i == 3)
            break;
        expect_load(script, SAVED(n, 20 + i), SESSION(n));
        expect_save(script, SESSION(n), SAVED(n, 22 + i));
    }
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0), TPM2_RC_CONTEXT_GAP);
    rm_script_end(script);
}

/* No handle for a session: a doomed one goes, else an abandoned one, else the client is told. */
static void test_R26_who_ends_for_a_session_handle(void **state)
{
    struct rm_script *script = *state;

    rm_script_start(script, 0, SESSION(1));
    rm_script_start(script, 0, SESSION(2));
    rm_script_start(script, 1, SESSION(3));
    rm_script_save(script, 0, SESSION(2), SAVED(2, 20));
    assert_int_equal(rm_script_flush(script, 0, SESSION(1)), TPM2_RC_SUCCESS);
    rm_client_free(script->clients[0]);
    script->clients[0] = rm_script_connect(script, 1000);

    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SESSION_HANDLES);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_SUCCESS);
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SESSION_HANDLES);
    expect_flush(&script->chip, SESSION(2), TPM2_RC_SUCCESS);
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SESSION_HANDLES);
    assert_int_equal(rm_script_name(script, 1, TPM2_CC_GetRandom, 0, 0, 0),
                     TPM2_RC_SESSION_HANDLES);
    assert_int_equal(script->rm->session_count, 1);
    assert_non_null(rm_script_session(script, SESSION(3)));
    rm_script_end(script);
}

/* What a persistent key is copied to for as long as the command runs. */
static void test_R20_room_for_a_persistent_key_is_made_first(void **state)
{
    struct rm_script *script = *state;

    for (uint32_t i = 0; i < 2; i++)
        rm_script_make(script, 0, OBJECT(i));
    expect_named(script, CC_USE, 1, PERSISTENT(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(use(script, PERSISTENT(1)), TPM2_RC_SUCCESS);
    rm_script_make(script, 0, OBJECT(2));
    expect_eviction(script, OBJECT(0), 5);
    expect_named(script, CC_USE, 1, PERSISTENT(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(use(script, PERSISTENT(1)), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 2);
    rm_script_end(script);
}

/* A command that works in a slot of its own is found out, once. */
static void test_R20_slots_that_a_command_works_in_are_learned(void **state)
{
    struct rm_script *script = *state;
    int peek = command_table_find(&script->rm->chip.commands, CC_PEEK);
    int random = command_table_find(&script->rm->chip.commands, TPM2_CC_GetRandom);

    rm_script_start(script, 0, SESSION(1));
    for (uint32_t i = 0; i < 3; i++)
        rm_script_make(script, 0, OBJECT(i));
    expect_named(script, CC_PEEK, 1, SESSION(1), 0, TPM2_RC_OBJECT_MEMORY);
    expect_eviction(script, OBJECT(0), 5);
    expect_named(script, CC_PEEK, 1, SESSION(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->needs_scratch_slot[peek], 1);
    /* The slot is free; it is kept so for the command. */
    rm_script_make(script, 0, OBJECT(0));
    expect_eviction(script, OBJECT(1), 6);
    expect_named(script, CC_PEEK, 1, SESSION(1), 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_PEEK, 1, SESSION(1), 0), TPM2_RC_SUCCESS);
    /* Another refusal tells nothing of slots. */
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SESSION_MEMORY);
    expect_save(script, SESSION(1), SAVED(1, 20));
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->needs_scratch_slot[random], 0);
    rm_script_end(script);
}

/* Nor does one for a slot that is taken by more than the chip has, or by what the command makes. */
static void test_R20_slots_for_what_a_command_makes_are_not_learned(void **state)
{
    struct rm_script *script = *state;
    int make = command_table_find(&script->rm->chip.commands, CC_MAKE);
    int random = command_table_find(&script->rm->chip.commands, TPM2_CC_GetRandom);
    struct exchange *made;

    for (uint32_t i = 0; i < 2; i++)
        rm_script_make(script, 0, OBJECT(i));
    expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_OBJECT_MEMORY);
    expect_eviction(script, OBJECT(0), 5);
    made = expect_named(script, CC_MAKE, 0, 0, 0, TPM2_RC_SUCCESS);
    store_be32(made->response + HEADER_SIZE, OBJECT(2));
    made->size = response_build_success(made->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_name(script, 0, CC_MAKE, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->needs_scratch_slot[make], 0);

    /* There is one too many, which does not leave at first. */
    script->rm->chip.object_slots = 1;
    for (unsigned i = 0; i < 3; i++)
        exchange_answer_code(expect_save(script, OBJECT(1), KEPT(6)), TPM2_RC_VALUE);
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_OBJECT_MEMORY);
    expect_eviction(script, OBJECT(1), 6);
    expect_named(script, TPM2_CC_GetRandom, 0, 0, 0, TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_GetRandom, 0, 0, 0), TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->needs_scratch_slot[random], 0);
    rm_script_end(script);
}

static void set_reserve(struct rm_script *script, uint32_t objects, uint32_t sessions,
                        uint32_t active)
{
    rm_set_reserve(script->rm, &(struct rm_reserve){objects, sessions, active});
}

/* What leaves by a mere flush leaves first; each step is one command. */
static void test_R63_reserve_is_made_step_by_step(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[3];

    for (uint32_t i = 0; i < 3; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    for (uint32_t i = 1; i <= 3; i++)
        rm_script_start(script, 0, SESSION(i));
    expect_save(script, OBJECT(2), KEPT(5));
    assert_int_equal(rm_script_name(script, 0, TPM2_CC_ContextSave, 1, handles[2], 0),
                     TPM2_RC_SUCCESS);
    assert_false(rm_settle(script->rm));
    rm_script_end(script);

    set_reserve(script, 2, 2, 0);
    expect_flush(&script->chip, OBJECT(2), TPM2_RC_SUCCESS);
    assert_true(rm_settle(script->rm));
    rm_script_end(script);
    expect_save(script, OBJECT(0), KEPT(6));
    assert_true(rm_settle(script->rm));
    rm_script_end(script);
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    assert_true(rm_settle(script->rm));
    rm_script_end(script);
    expect_save(script, SESSION(1), SAVED(1, 20));
    assert_true(rm_settle(script->rm));
    rm_script_end(script);
    expect_save(script, SESSION(2), SAVED(2, 21));
    assert_true(rm_settle(script->rm));
    rm_script_end(script);
    assert_false(rm_settle(script->rm));
    assert_int_equal(script->rm->objects_loaded, 1);
    assert_int_equal(script->rm->sessions_loaded, 1);
}

static void test_R63_reserve_that_cannot_be_made(void **state)
{
    struct rm_script *script = *state;

    rm_script_make(script, 0, OBJECT(0));
    rm_script_make(script, 0, OBJECT(1));
    set_reserve(script, 2, 0, 0);
    exchange_answer_code(expect_save(script, OBJECT(0), KEPT(5)), TPM2_RC_VALUE);
    assert_false(rm_settle(script->rm));
    rm_script_end(script);
    for (uint32_t i = 0; i < 2; i++)
        rm_script_object(script, 0, OBJECT(i))->pinned = true;
    assert_false(rm_settle(script->rm));
    rm_script_object(script, 0, OBJECT(0))->pinned = false;
    expect_save(script, OBJECT(0), KEPT(5));
    assert_true(rm_settle(script->rm));
    exchange_answer_code(expect_flush(&script->chip, OBJECT(0), 0), TPM2_RC_VALUE);
    assert_false(rm_settle(script->rm));
    rm_script_end(script);
    /* Nobody serves a TPM that does not serve. */
    script->rm->condition = TPM_FAILURE_MODE;
    assert_false(rm_settle(script->rm));
    script->rm->condition = TPM_LOST;
    assert_false(rm_settle(script->rm));
    script->rm->condition = TPM_SERVING;
    rm_script_end(script);
}

/* A command that by itself needs the reserve has the contexts of what it names saved before. */
static void test_R63_what_takes_the_reserve_can_leave_by_flushes(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[2];

    set_reserve(script, 2, 0, 0);
    handles[0] = rm_script_make(script, 0, OBJECT(0));
    expect_eviction(script, OBJECT(0), 5);
    handles[1] = rm_script_make(script, 0, OBJECT(1));
    expect_save(script, OBJECT(1), KEPT(6));
    expect_load(script, KEPT(5), OBJECT(0));
    expect_named(script, CC_BOTH, 2, OBJECT(1), OBJECT(0), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, handles[1], handles[0]),
                     TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 2);
    expect_flush(&script->chip, OBJECT(1), TPM2_RC_SUCCESS);
    assert_true(rm_settle(script->rm));
    assert_false(rm_settle(script->rm));
    rm_script_end(script);
}

/* No more of them than it takes of the reserve. */
static void test_R63_as_many_are_saved_ahead_as_take_the_reserve(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[2];
    struct exchange *made;

    set_reserve(script, 1, 0, 0);
    for (uint32_t i = 0; i < 2; i++)
        handles[i] = rm_script_make(script, 0, OBJECT(i));
    expect_save(script, OBJECT(0), KEPT(5));
    made = expect_named(script, CC_DERIVE, 2, OBJECT(0), OBJECT(1), TPM2_RC_SUCCESS);
    store_be32(made->response + HEADER_SIZE, OBJECT(2));
    made->size = response_build_success(made->response, HEADER_SIZE + 4);
    assert_int_equal(rm_script_name(script, 0, CC_DERIVE, 2, handles[0], handles[1]),
                     TPM2_RC_SUCCESS);
    assert_int_equal(script->rm->objects_loaded, 3);
    rm_script_end(script);
    expect_flush(&script->chip, OBJECT(0), TPM2_RC_SUCCESS);
    assert_true(rm_settle(script->rm));
    assert_false(rm_settle(script->rm));
    rm_script_end(script);
}

/* The context of a sequence object would be dead after the command; what is over is one object. */
static void test_R63_sequences_are_not_saved_ahead(void **state)
{
    struct rm_script *script = *state;
    uint32_t handles[2];

    set_reserve(script, 2, 0, 0);
    handles[0] = rm_script_make(script, 0, OBJECT(0));
    expect_eviction(script, OBJECT(0), 5);
    handles[1] = rm_script_make(script, 0, OBJECT(1));
    rm_script_object(script, 0, handles[1])->sequence = true;
    journal_touch(script->rm->journal, &rm_script_object(script, 0, handles[1])->mark);
    expect_load(script, KEPT(5), OBJECT(0));
    expect_named(script, CC_BOTH, 2, OBJECT(1), OBJECT(0), TPM2_RC_SUCCESS);
    assert_int_equal(rm_script_name(script, 0, CC_BOTH, 2, handles[1], handles[0]),
                     TPM2_RC_SUCCESS);
    rm_script_end(script);
}

/* The reserve of sessions that the chip tracks. */
static void test_R63_sessions_of_others(void **state)
{
    struct rm_script *script = *state;

    set_reserve(script, 0, 0, 62);
    assert_int_equal(capacity_active_sessions(script->rm), 2);
    rm_script_start(script, 0, SESSION(1));
    rm_script_save(script, 0, SESSION(1), SAVED(1, 20));
    rm_script_start(script, 1, SESSION(2));
    assert_int_equal(
        rm_script_name(script, 1, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL),
        RM_RC_SESSION_HANDLES);
    rm_client_free(script->clients[0]);
    script->clients[0] = NULL;
    exchange_answer_code(expect_flush(&script->chip, SESSION(1), 0), TPM2_RC_VALUE);
    assert_int_equal(
        rm_script_name(script, 1, TPM2_CC_StartAuthSession, 2, TPM2_RH_NULL, TPM2_RH_NULL),
        RM_RC_SESSION_HANDLES);
    expect_flush(&script->chip, SESSION(1), TPM2_RC_SUCCESS);
    rm_script_start(script, 1, SESSION(3));
    assert_int_equal(script->rm->session_count, 2);

    set_reserve(script, 0, 0, 64);
    assert_int_equal(capacity_active_sessions(script->rm), 1);
    set_reserve(script, 0, 0, 63);
    assert_int_equal(capacity_active_sessions(script->rm), 1);
    set_reserve(script, 0, 0, 0);
    assert_int_equal(capacity_active_sessions(script->rm), UINT32_MAX);
    rm_script_end(script);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_script_setup, rm_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_R14_chip_says_what_it_lacks),
        TEST(test_R14_chip_that_lacks_memory_gets_all_of_it),
        TEST(test_R14_retries_end),
        TEST(test_R20_room_for_a_persistent_key_is_made_first),
        TEST(test_R20_slots_for_what_a_command_makes_are_not_learned),
        TEST(test_R20_slots_that_a_command_works_in_are_learned),
        TEST(test_R26_who_ends_for_a_session_handle),
        TEST(test_R63_as_many_are_saved_ahead_as_take_the_reserve),
        TEST(test_R63_reserve_is_made_step_by_step),
        TEST(test_R63_reserve_that_cannot_be_made),
        TEST(test_R63_sequences_are_not_saved_ahead),
        TEST(test_R63_sessions_of_others),
        TEST(test_R63_what_takes_the_reserve_can_leave_by_flushes),
        TEST(test_room_for_two_objects_is_made_first),
        TEST(test_room_for_two_sessions_is_made_first),
    };

    return cmocka_run_group_tests_name("rm-room", tests, NULL, NULL);
}
