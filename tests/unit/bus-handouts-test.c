/* SPDX-License-Identifier: BSD-2-Clause */
/* How many connections may be handed out that nobody is known to have. */
#include "bus/handouts.h"

#include "base/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ACCOUNTS 10

/* What dbus-daemon takes by default before it reads nothing more. */
#define BUS_LIMIT 64

/* As many as an account may have; their ids begin at `first`. */
static unsigned fill(struct handouts *handouts, uint32_t account, uint64_t first,
                     const char *caller)
{
    unsigned count = 0;

    while (count < BUS_LIMIT && handouts_have_room(handouts, account))
        handouts_add(handouts, first + count++, account, caller);
    return count;
}

static void test_R52_an_account_has_few_unconfirmed_connections(void **state)
{
    struct handouts *handouts = handouts_new();

    (void)state;
    assert_int_equal(fill(handouts, 1000, 0, ":1.1"), HANDOUTS_ACCOUNT);
    assert_true(handouts_have_room(handouts, 1001));
    handouts_confirm(handouts, 3);
    handouts_confirm(handouts, 3);
    handouts_confirm(handouts, BUS_LIMIT);
    assert_int_equal(fill(handouts, 1000, 100, ":1.1"), 1);
    handouts_free(handouts);
}

static void test_R52_accounts_leave_unconfirmed_connections_to_others(void **state)
{
    struct handouts *handouts = handouts_new();
    unsigned all = 0, own;

    (void)state;
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        own = fill(handouts, 1000 + i, 100 * i, ":1.1");
        assert_in_range(own, 1, HANDOUTS_ACCOUNT);
        all += own;
    }
    while (handouts_have_room(handouts, 2000 + all))
        handouts_add(handouts, 10000 + all, 2000 + all, ":1.1"), all++;
    assert_int_equal(all, HANDOUTS_MAX - HANDOUTS_ROOT);
    assert_false(handouts_have_room(handouts, ACCOUNT_GUESTS));
    all += fill(handouts, ACCOUNT_ROOT, 20000, ":1.2");
    assert_int_equal(all, HANDOUTS_MAX);
    assert_true(all < BUS_LIMIT);
    handouts_clear(handouts);
    assert_int_equal(fill(handouts, ACCOUNT_ROOT, 0, ":1.2"), HANDOUTS_ACCOUNT);
    assert_int_equal(fill(handouts, ACCOUNT_GUESTS, 100, ":1.3"), HANDOUTS_ACCOUNT);
    handouts_free(handouts);
}

/* Its unread answers leave the bus with it. */
static void test_R52_a_caller_that_leaves_holds_no_connection_up(void **state)
{
    struct handouts *handouts = handouts_new();

    (void)state;
    handouts_add(handouts, 1, 1000, ":1.2");
    assert_int_equal(fill(handouts, 1000, 100, ":1.1"), HANDOUTS_ACCOUNT - 1);
    handouts_caller_left(handouts, ":1.3");
    assert_false(handouts_have_room(handouts, 1000));
    handouts_caller_left(handouts, ":1.1");
    assert_int_equal(fill(handouts, 1000, 200, ":1.3"), HANDOUTS_ACCOUNT - 1);
    handouts_free(handouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R52_an_account_has_few_unconfirmed_connections),
        cmocka_unit_test(test_R52_accounts_leave_unconfirmed_connections_to_others),
        cmocka_unit_test(test_R52_a_caller_that_leaves_holds_no_connection_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
