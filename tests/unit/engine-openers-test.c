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
    struct openers openers;

    openers_begin(&openers, START - OPENERS_DOUBT_MS);
    assert_false(openers_any(&openers, START));
    return openers;
}

/* Somebody is assumed until then. */
static void assert_ends(const struct openers *openers, int64_t end)
{
    assert_true(openers_any(openers, end - 1));
    assert_false(openers_any(openers, end));
}

static void test_R64_somebody_is_assumed_at_first(void **state)
{
    struct openers openers;

    (void)state;
    openers_begin(&openers, START);
    assert_true(openers_any(&openers, START));
    assert_ends(&openers, START + OPENERS_DOUBT_MS);
    /* Not until a clock that went back has caught up. */
    assert_false(openers_any(&openers, START - 1));
}

/* Of those who were there before one has left. */
static void test_R64_who_was_assumed_may_have_company(void **state)
{
    struct openers openers;

    (void)state;
    openers_begin(&openers, START);
    openers_closed(&openers, START + 1);
    assert_ends(&openers, START + 1 + OPENERS_DOUBT_MS);
    /* Nor is this doubt there before it began. */
    assert_false(openers_any(&openers, START));
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
    assert_ends(&openers, START + 12 + OPENERS_DOUBT_MS);
}

/* Who opens the device twice at a time, and closes it twice, seems to be two who leave. */
static void test_R64_more_closings_than_openings_hide_nobody(void **state)
{
    struct openers openers = quiet_openers();
    int64_t later = START + 10 * OPENERS_DOUBT_MS;

    (void)state;
    openers_opened(&openers, START);
    for (int i = 0; i < 10; i++) {
        openers_opened(&openers, later);
        openers_closed(&openers, later);
        openers_closed(&openers, later);
        assert_true(openers_any(&openers, later));
    }
    /* Who is there is silent for no longer than it was. */
    assert_ends(&openers, later + 10 * OPENERS_DOUBT_MS);
    /* Later, and the doubt is no shorter for a closing. */
    openers_closed(&openers, later + OPENERS_DOUBT_MS);
    assert_ends(&openers, later + OPENERS_DOUBT_MS + 11 * OPENERS_DOUBT_MS);
}

static void test_R64_nobody_is_assumed_for_more_than_a_day(void **state)
{
    struct openers openers = quiet_openers();
    int64_t later = START + 10 * OPENERS_SILENCE_MS;

    (void)state;
    openers_opened(&openers, START);
    for (int64_t now = START; now < later; now += OPENERS_SILENCE_MS)
        openers_used(&openers, now);
    openers_closed(&openers, later);
    assert_ends(&openers, later + OPENERS_SILENCE_MS);
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
    /* One is one, however often it uses the device. It has been there since then. */
    openers_used(&openers, later + 1);
    openers_closed(&openers, later + 2);
    assert_ends(&openers, later + 2 + (later + 2 - START));
}

/* Two left, and one event told of both. */
static void test_R64_opener_without_a_sign_is_forgotten_at_last(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers_opened(&openers, START);
    openers_opened(&openers, START + 1);
    openers_closed(&openers, START + 2);
    assert_ends(&openers, START + 3 + OPENERS_SILENCE_MS);
    openers_used(&openers, START + 4 + OPENERS_SILENCE_MS);
    assert_true(openers_any(&openers, START + 4 + 2 * OPENERS_SILENCE_MS));
}

static void test_R64_what_was_missed_is_in_doubt(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers_missed(&openers, START + 1);
    /* As long again as somebody may have been there, which is since the beginning. */
    assert_ends(&openers, START + 2 + OPENERS_DOUBT_MS);
    /* Who was there before is not missed for it. */
    openers_opened(&openers, START + 2);
    openers_missed(&openers, START + 3 * OPENERS_DOUBT_MS);
    assert_ends(&openers, START + 7 * OPENERS_DOUBT_MS);
}

/* More than can be counted are as many as can. */
static void test_R64_nobody_overflows_the_count(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers.count = UINT32_MAX - 1;
    openers_opened(&openers, START);
    openers_opened(&openers, START);
    assert_int_equal(openers.count, UINT32_MAX);
    openers_closed(&openers, START);
    assert_true(openers_any(&openers, START));
}

static void test_R64_watched_anew_is_as_before(void **state)
{
    struct openers openers = quiet_openers();

    (void)state;
    openers_forget(&openers, START);
    assert_ends(&openers, START + OPENERS_DOUBT_MS);
    openers_opened(&openers, START + 1);
    openers_forget(&openers, START + 2);
    assert_ends(&openers, START + 2 + OPENERS_DOUBT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R64_somebody_is_assumed_at_first),
        cmocka_unit_test(test_R64_who_was_assumed_may_have_company),
        cmocka_unit_test(test_R64_as_many_leave_as_came),
        cmocka_unit_test(test_R64_more_closings_than_openings_hide_nobody),
        cmocka_unit_test(test_R64_nobody_is_assumed_for_more_than_a_day),
        cmocka_unit_test(test_R64_unseen_opener_is_found_out_by_its_use),
        cmocka_unit_test(test_R64_opener_without_a_sign_is_forgotten_at_last),
        cmocka_unit_test(test_R64_what_was_missed_is_in_doubt),
        cmocka_unit_test(test_R64_nobody_overflows_the_count),
        cmocka_unit_test(test_R64_watched_anew_is_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
