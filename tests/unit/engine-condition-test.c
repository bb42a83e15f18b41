/* SPDX-License-Identifier: BSD-2-Clause */
/* Troubles: when they are told, and their words. */
#include "engine/condition.h"
#include "rm/rc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct ear {
    struct engine_events events;
    struct condition condition;
    unsigned states, troubles[TROUBLES];
};

static void hear_state(void *data, enum engine_state state)
{
    struct ear *ear = data;

    assert_int_equal(ear->condition.state, state);
    ear->states++;
}

static void hear_trouble(void *data, enum trouble trouble)
{
    struct ear *ear = data;

    ear->troubles[trouble]++;
}

static int setup(void **state)
{
    static struct ear ear;

    ear = (struct ear){.events = {.state = hear_state, .trouble = hear_trouble, .data = &ear}};
    *state = &ear;
    return 0;
}

static void trouble(struct ear *ear, enum trouble trouble, int64_t now)
{
    condition_trouble(&ear->condition, &ear->events, trouble, now);
}

static void test_a_trouble_is_told_once_in_a_while(void **state)
{
    struct ear *ear = *state;

    trouble(ear, TROUBLE_LOCKOUT, 5);
    trouble(ear, TROUBLE_LOCKOUT, 5 + CONDITION_PAUSE_MS - 1);
    assert_int_equal(ear->troubles[TROUBLE_LOCKOUT], 1);
    trouble(ear, TROUBLE_NO_SESSIONS, 6);
    assert_int_equal(ear->troubles[TROUBLE_NO_SESSIONS], 1);
    trouble(ear, TROUBLE_LOCKOUT, 5 + CONDITION_PAUSE_MS);
    assert_int_equal(ear->troubles[TROUBLE_LOCKOUT], 2);
    /* The clock went back. */
    trouble(ear, TROUBLE_LOCKOUT, 7);
    assert_int_equal(ear->troubles[TROUBLE_LOCKOUT], 3);
}

static void test_the_last_trouble_is_in_the_status(void **state)
{
    struct ear *ear = *state;
    struct engine_status status = {0};

    condition_get_status(&ear->condition, &status, 100);
    assert_int_equal(status.trouble, TROUBLE_NONE);
    trouble(ear, TROUBLE_LOCKOUT, 100);
    trouble(ear, TROUBLE_NO_SESSIONS, 200);
    condition_get_status(&ear->condition, &status, 450);
    assert_int_equal(status.trouble, TROUBLE_NO_SESSIONS);
    assert_int_equal(status.trouble_age_ms, 250);
}

static void test_states_without_a_chip_are_troubles(void **state)
{
    struct ear *ear = *state;
    static const enum engine_state states[] = {
        ENGINE_STARTING, ENGINE_SERVING, ENGINE_SERVING,  ENGINE_LOST,
        ENGINE_LOST,     ENGINE_FAILED,  ENGINE_STOPPING,
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        condition_set_state(&ear->condition, &ear->events, states[i], 10);
    assert_int_equal(ear->states, 4);
    assert_int_equal(ear->troubles[TROUBLE_LOST], 1);
    assert_int_equal(ear->troubles[TROUBLE_GONE], 1);
}

static void test_codes_mean_troubles(void **state)
{
    (void)state;
    assert_int_equal(trouble_of_code(TPM2_RC_SUCCESS), TROUBLE_NONE);
    assert_int_equal(trouble_of_code(TPM2_RC_LOCKOUT), TROUBLE_LOCKOUT);
    /* An account's budget is no trouble of the TPM. */
    assert_int_equal(trouble_of_code(RM_RC_LOCKOUT), TROUBLE_NONE);
    assert_int_equal(trouble_of_code(RM_RC_SESSION_MEMORY), TROUBLE_NONE);
    assert_int_equal(trouble_of_code(RM_RC_SESSION_HANDLES), TROUBLE_NO_SESSIONS);
    assert_int_equal(trouble_of_code(TPM2_RC_SESSION_HANDLES), TROUBLE_NO_SESSIONS);
    assert_int_equal(trouble_of_code(TPM2_RC_FAILURE), TROUBLE_FAILURE_MODE);
}

/* Each has a word of its own, what it is, and what to do. */
static void test_troubles_have_words(void **state)
{
    (void)state;
    assert_string_equal(trouble_kind(TROUBLE_NONE), "");
    for (enum trouble one = TROUBLE_NONE + 1; one < TROUBLES; one++) {
        assert_true(strlen(trouble_text(one)) > 10);
        assert_true(strlen(trouble_remedy(one)) > 10);
        for (enum trouble other = TROUBLE_NONE; other < one; other++)
            assert_string_not_equal(trouble_kind(one), trouble_kind(other));
    }
    for (enum engine_state one = ENGINE_STARTING; one < ENGINE_STOPPING; one++)
        assert_string_not_equal(engine_state_name(one), engine_state_name(one + 1));
}

#define CONDITION_TEST(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONDITION_TEST(test_a_trouble_is_told_once_in_a_while),
        CONDITION_TEST(test_the_last_trouble_is_in_the_status),
        CONDITION_TEST(test_states_without_a_chip_are_troubles),
        CONDITION_TEST(test_codes_mean_troubles),
        CONDITION_TEST(test_troubles_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
