/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of the chip stays free, by what is known of its other users. */
#include "engine/reserve.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct reserve_rule automatic = {.kind = RESERVE_AUTO};

static void expect(const struct reserve_rule *rule, const struct reserve_view *view,
                   uint32_t objects, uint32_t sessions, uint32_t active)
{
    struct rm_reserve reserve = reserve_get(rule, view);

    assert_int_equal(reserve.objects, objects);
    assert_int_equal(reserve.sessions, sessions);
    assert_int_equal(reserve.active, active);
}

static void test_R63_chip_of_its_own_needs_no_reserve(void **state)
{
    static const struct reserve_view view = {0};

    (void)state;
    expect(&automatic, &view, 0, 0, 0);
}

static void test_R63_kernel_device_has_the_greatest_of_its_needs(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        struct reserve_view view = {.shared = true,
                                    .kernel_sessions = bits & 1,
                                    .trusted_keys = bits & 2,
                                    .open = bits & 4};

        expect(&automatic, &view, bits == 0 ? 1 : 2, bits & 4 ? 2 : 1, 4);
    }
}

static void test_R63_order_overrides_what_is_known(void **state)
{
    static const struct reserve_rule never = {.kind = RESERVE_NEVER},
                                     slots = {.kind = RESERVE_SLOTS, .objects = 3, .sessions = 0};
    static const struct reserve_view own = {0},
                                     busy = {.shared = true, .kernel_sessions = true, .open = true};

    (void)state;
    expect(&never, &own, 0, 0, 0);
    expect(&never, &busy, 0, 0, 0);
    /* Who is left slots can have a session, too. */
    expect(&slots, &own, 3, 0, 4);
    expect(&slots, &busy, 3, 0, 4);
}

static void expect_words(const struct reserve_rule *rule, const struct reserve_view *view,
                         const char *first, const char *second)
{
    char text[RESERVE_TEXT];

    reserve_describe(rule, view, text);
    assert_non_null(strstr(text, first));
    assert_non_null(strstr(text, second));
    assert_true(strlen(text) < RESERVE_TEXT - 1);
    assert_null(strchr(text, '\n'));
}

static void test_R65_it_is_said_what_stays_free_and_why(void **state)
{
    static const struct reserve_rule never = {.kind = RESERVE_NEVER},
                                     slots = {.kind = RESERVE_SLOTS, .objects = 3, .sessions = 0};
    struct reserve_view view = {0};

    (void)state;
    expect_words(&automatic, &view, "no slots", "no kernel shares");
    expect_words(&never, &view, "no slots", "--reserve=never");
    expect_words(&slots, &view, "3 objects and 0 sessions", "--reserve=3,0");
    view.shared = true;
    expect_words(&automatic, &view, "1 objects and 1 sessions", "2 and 2 while");
    view.trusted_keys = true;
    expect_words(&automatic, &view, "2 objects and 1 sessions", "trusted keys");
    view.kernel_sessions = true;
    expect_words(&automatic, &view, "2 objects and 1 sessions", "sessions of its own");
    view.open = true;
    expect_words(&automatic, &view, "2 objects and 1 sessions", "2 and 2 while");
    view.watch_error = EACCES;
    expect_words(&automatic, &view, "2 objects and 2 sessions", "Permission denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R63_chip_of_its_own_needs_no_reserve),
        cmocka_unit_test(test_R63_kernel_device_has_the_greatest_of_its_needs),
        cmocka_unit_test(test_R63_order_overrides_what_is_known),
        cmocka_unit_test(test_R65_it_is_said_what_stays_free_and_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
