/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether somebody has a device open, by events at times that are made up. */
#include "engine/openers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START INT64_C(1000000)

/* Of which nothing is unknown any more at START. */
static struct openers quiet_openers(void)
{
    struct openers openers = {0};

    openers_forget(&openers, START - OPENERS_DOUBT_MS);
    assert_false(openers_any(&openers, START));
    return openers;
}

static void test_R64_somebody_is_assumed_for_a_minute(void **state)
{
    struct openers openers = {0};

    (void)state;
    openers_forget(&openers, START);
    assert_true(openers_any(&openers, START));
    assert_true(openers_any(&openers, START + OPENERS_DOUBT_MS - 1));
    assert_false(openers_any(&openers, START + OPENERS_DOUBT_MS));
    /* Not until a clock that went back has caught up. */
    assert_false(openers_any(&openers, START - 1));
}

static void test_R64_who_was_assumed_may_leave(void **state)
{
    struct openers openers = {0};

    (void)state;
    openers_forget(&openers, START);
    openers_closed(&openers, START + 1);
    assert_false(openers_any(&openers, START + 1));
    /* Whoever is known leaves first. */
    openers_forget(&openers, START);
    openers_opened(&openers, START + 1);
    openers_closed(&openers, START + 2);
    assert_true(openers_any(&openers, START + 2));
    openers_closed(&openers, START + 3);
    assert_false(openers_any(&openers, START + 3));
}

static void test_R64_as_many_leave_as_came(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    for (int i = 0; i < 3; i++)
        openers_opened(&openers, START + i);
    for (int i = 0; i < 3; i++) {
        assert_true(openers_any(&openers, START + OPENERS_SILENCE_MS));
        openers_closed(&openers, START + 10 + i);
    }
    assert_true(openers_any(&openers, START + 12 + OPENERS_DOUBT_MS - 1));
    assert_false(openers_any(&openers, START + 12 + OPENERS_DOUBT_MS));
}

/* Two came, and one event told of both. */
static void test_R64_unseen_opener_is_found_out_by_its_use(void **state)
{
    struct openers openers = quiet_openers();
    int64_t later = START + 2 * OPENERS_DOUBT_MS;

    (void)state;
    openers_opened(&openers, START);
    openers_closed(&openers, START + 1);
    assert_true(openers_any(&openers, START + 2));
    assert_false(openers_any(&openers, later));
    openers_used(&openers, later);
    assert_true(openers_any(&openers, later + OPENERS_SILENCE_MS));
    /* One is one, however often it uses the device. */
    openers_used(&openers, later + 1);
    openers_closed(&openers, later + 2);
    openers_closed(&openers, later + 3);
    assert_false(openers_any(&openers, later + 3));
}

/* Two left, and one event told of both. */
static void test_R64_opener_without_a_sign_is_forgotten_at_last(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers_opened(&openers, START);
    openers_opened(&openers, START + 1);
    openers_closed(&openers, START + 2);
    assert_true(openers_any(&openers, START + 2 + OPENERS_SILENCE_MS));
    assert_false(openers_any(&openers, START + 3 + OPENERS_SILENCE_MS));
    openers_used(&openers, START + 4 + OPENERS_SILENCE_MS);
    assert_true(openers_any(&openers, START + 4 + 2 * OPENERS_SILENCE_MS));
}

static void test_R64_what_was_missed_is_in_doubt(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers_opened(&openers, START);
    openers_forget(&openers, START + 1);
    assert_true(openers_any(&openers, START + OPENERS_DOUBT_MS));
    assert_false(openers_any(&openers, START + 1 + OPENERS_DOUBT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R64_somebody_is_assumed_for_a_minute),
        cmocka_unit_test(test_R64_who_was_assumed_may_leave),
        cmocka_unit_test(test_R64_as_many_leave_as_came),
        cmocka_unit_test(test_R64_unseen_opener_is_found_out_by_its_use),
        cmocka_unit_test(test_R64_opener_without_a_sign_is_forgotten_at_last),
        cmocka_unit_test(test_R64_what_was_missed_is_in_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
