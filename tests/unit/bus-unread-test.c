/* SPDX-License-Identifier: BSD-2-Clause */
/* How much may be sent to programs that are not known to have read it. */
#include "bus/unread.h"

#include "base/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define USERS   10
#define MESSAGE 3000

/* What dbus-daemon takes by default before it reads nothing more. */
#define BUS_LIMIT (127u * 1024 * 1024)

/* Sends as much as there is room for. Bytes. */
static size_t fill(struct unread *unread, const char *name, uint32_t uid)
{
    size_t bytes = 0;

    while (bytes <= BUS_LIMIT && unread_has_room(unread, uid)) {
        unread_sent(unread, name, uid, MESSAGE);
        bytes += MESSAGE;
    }
    return bytes;
}

static void test_R52_users_share_what_nobody_reads(void **state)
{
    struct unread *unread = unread_new();
    size_t all = 0;
    char name[16];

    (void)state;
    for (uint32_t user = 1; user <= USERS; user++) {
        size_t bytes;

        snprintf(name, sizeof(name), ":1.%u", (unsigned)user);
        bytes = fill(unread, name, 1000 + user);
        assert_in_range(bytes, UNREAD_STEP, UNREAD_MAX / 2);
        all += bytes;
    }
    /* Whoever reads what it gets is still served. */
    for (unsigned i = 0; i < 10; i++) {
        assert_true(unread_has_room(unread, 2000));
        unread_sent(unread, ":1.2000", 2000, MESSAGE);
    }
    all += fill(unread, ":1.99", UNREAD_NOBODY) + fill(unread, ":1.100", ACCOUNT_ROOT);
    assert_in_range(all, UNREAD_MAX - UNREAD_NEWCOMERS - USERS * UNREAD_STEP, UNREAD_MAX);
    assert_true(UNREAD_MAX < BUS_LIMIT);
    unread_free(unread);
}

static void test_R52_who_left_has_nothing_unread(void **state)
{
    struct unread *unread = unread_new();
    size_t before = fill(unread, ":1.1", 1000);

    (void)state;
    assert_false(unread_has_room(unread, 1000));
    unread_left(unread, ":1.2");
    assert_false(unread_has_room(unread, 1000));
    unread_left(unread, ":1.1");
    assert_int_equal(fill(unread, ":1.2", 1000), before);
    unread_free(unread);
}

/* A program that may have enough unread to be asked gets a question; its serial. */
static uint32_t reach(struct unread *unread, const char *name, uint32_t uid)
{
    for (size_t bytes = 0; bytes + MESSAGE < UNREAD_ASK; bytes += MESSAGE)
        assert_int_equal(unread_sent(unread, name, uid, MESSAGE), 0);
    return unread_sent(unread, name, uid, MESSAGE);
}

static void test_R52_an_answer_shows_what_was_read(void **state)
{
    struct unread *unread = unread_new();
    uint32_t serial = reach(unread, ":1.1", 1000);
    size_t most = fill(unread, ":1.1", 1000);

    (void)state;
    assert_in_range(serial, UNREAD_SERIAL, 2 * UNREAD_SERIAL - 1);
    assert_false(unread_answered(unread, ":1.2", serial));
    assert_false(unread_answered(unread, ":1.1", serial + 1));
    assert_false(unread_answered(unread, ":1.1", 0));
    assert_false(unread_has_room(unread, 1000));
    assert_true(unread_answered(unread, ":1.1", serial));
    assert_false(unread_answered(unread, ":1.1", serial));
    assert_in_range(fill(unread, ":1.1", 1000), 1, UNREAD_ASK + 2 * UNREAD_STEP);
    /* One that always answers is never without room. */
    for (size_t bytes = 0; bytes < 2 * most; bytes += MESSAGE) {
        assert_true(unread_has_room(unread, 1001));
        serial = unread_sent(unread, ":1.3", 1001, MESSAGE);
        assert_true(serial == 0 || unread_answered(unread, ":1.3", serial));
    }
    unread_free(unread);
}

/* Who knows one question knows nothing of the next. */
static void test_R52_questions_have_serials_of_their_own(void **state)
{
    struct unread *unread = unread_new();
    uint32_t first = reach(unread, ":1.1", 1000), second;

    (void)state;
    assert_true(unread_answered(unread, ":1.1", first));
    second = reach(unread, ":1.1", 1000);
    /* One in 2^30 is the same by chance, or the next one. */
    assert_true(second != first && second != first + 1);
    unread_free(unread);
}

/* Also none of a user whose programs never answer. */
static void test_R52_few_programs_are_asked_at_a_time(void **state)
{
    struct unread *unread = unread_new();
    char name[16];

    (void)state;
    for (unsigned i = 0; i < UNREAD_ASKED_USER; i++) {
        snprintf(name, sizeof(name), ":1.%u", i);
        assert_int_not_equal(reach(unread, name, 1000), 0);
        assert_int_equal(unread_sent(unread, name, 1000, MESSAGE), 0);
    }
    assert_int_equal(reach(unread, ":1.99", 1000), 0);
    assert_int_not_equal(reach(unread, ":1.100", 1001), 0);
    unread_left(unread, ":1.0");
    assert_int_not_equal(unread_sent(unread, ":1.99", 1000, MESSAGE), 0);
    for (uint32_t i = 0; i < UNREAD_ASKED; i++) {
        snprintf(name, sizeof(name), ":2.%u", (unsigned)i);
        assert_int_equal(reach(unread, name, 2000 + i) == 0, i >= UNREAD_ASKED - 5);
    }
    unread_free(unread);
}

/* What was sent before the bus told a program's user is that user's. */
static void test_R52_bytes_follow_a_user_that_becomes_known(void **state)
{
    struct unread *unread = unread_new();

    (void)state;
    assert_int_not_equal(reach(unread, ":1.1", UNREAD_NOBODY), 0);
    fill(unread, ":1.1", UNREAD_NOBODY);
    assert_false(unread_has_room(unread, UNREAD_NOBODY));
    unread_sent(unread, ":1.1", 1000, MESSAGE);
    assert_true(unread_has_room(unread, UNREAD_NOBODY));
    assert_false(unread_has_room(unread, 1000));
    unread_sent(unread, ":1.1", UNREAD_NOBODY, MESSAGE);
    unread_left(unread, ":1.1");
    assert_true(unread_has_room(unread, 1000));
    unread_free(unread);
}

static void test_R52_a_program_is_told_once(void **state)
{
    struct unread *unread = unread_new();
    uint32_t serial = reach(unread, ":1.1", 1000);

    (void)state;
    assert_true(unread_tell(unread, ":1.1", 1000));
    assert_false(unread_tell(unread, ":1.1", 1000));
    assert_true(unread_tell(unread, ":1.2", 1000));
    assert_false(unread_tell(unread, ":1.2", 1000));
    /* Once more, when it had read what it got. */
    assert_true(unread_answered(unread, ":1.1", serial));
    assert_true(unread_tell(unread, ":1.1", 1000));
    assert_false(unread_tell(unread, ":1.1", 1000));
    unread_free(unread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R52_users_share_what_nobody_reads),
        cmocka_unit_test(test_R52_who_left_has_nothing_unread),
        cmocka_unit_test(test_R52_an_answer_shows_what_was_read),
        cmocka_unit_test(test_R52_questions_have_serials_of_their_own),
        cmocka_unit_test(test_R52_few_programs_are_asked_at_a_time),
        cmocka_unit_test(test_R52_a_program_is_told_once),
        cmocka_unit_test(test_R52_bytes_follow_a_user_that_becomes_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
