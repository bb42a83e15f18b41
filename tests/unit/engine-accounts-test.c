/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose account a user is on. */
#include "base/account.h"
#include "base/log.h"
#include "engine-world.h"
#include "engine/accounts.h"
#include "engine/membership.h"
#include "engine/user-table.h"
#include "user-database.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void count_told(void *data)
{
    unsigned *told = data;

    __atomic_add_fetch(told, 1, __ATOMIC_SEQ_CST);
}

/* The account of a user, once the database has said it. */
static uint32_t account_of(struct accounts *accounts, uint32_t uid, int64_t now)
{
    uint32_t account;

    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS; i++) {
        if (accounts_find(accounts, uid, now, &account))
            return account;
        poll(NULL, 0, 1);
    }
    fail_msg("the database does not answer");
    return 0;
}

static void test_R53_accounts_are_principals(void **state)
{
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&user_database_config, count_told, &told);
    assert_non_null(accounts);
    assert_int_equal(account_of(accounts, 0, 1), ACCOUNT_ROOT);
    assert_int_equal(user_database_questions(), 0);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    assert_int_equal(account_of(accounts, 1001, 1), ACCOUNT_GUESTS);
    for (uint32_t uid = 300001; uid < 300041; uid += 2)
        assert_int_equal(account_of(accounts, uid, 1), ACCOUNT_GUESTS);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    assert_int_equal(user_database_questions(), 22);
    accounts_free(accounts);
    assert_int_equal(told, 22);
}

/* Whether a user is a member, once the database has said it. */
static bool is_member(struct accounts *accounts, uint32_t uid)
{
    bool member;

    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS; i++) {
        if (accounts_find_member(accounts, uid, 1, &member))
            return member;
        poll(NULL, 0, 1);
    }
    fail_msg("the database does not answer");
    return false;
}

/* Whatever accounts they are on. */
static void test_R80_who_is_not_known_as_a_member_is_a_guest(void **state)
{
    const uint32_t strangers[] = {1001, 300001, account_unknown(1000), ACCOUNT_GUESTS};
    struct accounts_config config = user_database_config;
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    for (unsigned apart = 0; apart < 2; apart++) {
        user_database_begin(true);
        config.apart = apart;
        accounts = accounts_new(&config, count_told, &told);
        assert_non_null(accounts);
        assert_true(is_member(accounts, 0));
        assert_true(is_member(accounts, 1000));
        for (unsigned i = 0; i < 4; i++)
            assert_false(is_member(accounts, strangers[i]));
        assert_int_equal(account_of(accounts, 1000, 1), 1000);
        assert_int_equal(account_of(accounts, 1001, 1), apart ? 1001 : ACCOUNT_GUESTS);
        assert_int_equal(account_of(accounts, strangers[2], 1), ACCOUNT_GUESTS);
        accounts_free(accounts);
    }
    config.lookup = NULL;
    accounts = accounts_new(&config, count_told, &told);
    assert_non_null(accounts);
    assert_false(is_member(accounts, 1000));
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    accounts_free(accounts);
}

/* A thread that has nothing to ask ends, and a later question starts another. */
static void test_R53_no_thread_waits_for_questions(void **state)
{
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&user_database_config, count_told, &told);
    for (uint32_t uid = 1000; uid < 1004; uid++) {
        account_of(accounts, uid, 1);
        user_database_await_alone();
    }
    accounts_free(accounts);
}

/* What was seen of the thread that asks. */
static struct {
    char name[16];
    sigset_t blocked;
} asking_thread;

static int look_at_thread(uint32_t uid, gid_t group)
{
    pthread_getname_np(pthread_self(), asking_thread.name, sizeof(asking_thread.name));
    pthread_sigmask(SIG_SETMASK, NULL, &asking_thread.blocked);
    return user_database_ask(uid, group);
}

/* Signals are not for the thread that asks. */
static void test_thread_that_asks_the_database(void **state)
{
    const struct accounts_config config = {.lookup = look_at_thread, .group = 7};
    struct accounts *accounts;
    unsigned told = 0;
    sigset_t blocked;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&config, count_told, &told);
    assert_non_null(accounts);
    account_of(accounts, 1000, 1);
    assert_string_equal(asking_thread.name, "accounts");
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    for (int number = SIGHUP; number <= SIGTERM; number++) {
        if (number == SIGKILL)
            continue;
        assert_true(sigismember(&asking_thread.blocked, number));
        assert_false(sigismember(&blocked, number));
    }
    accounts_free(accounts);
}

static void test_R53_without_a_database_each_user_is_an_account(void **state)
{
    const struct accounts_config apart = {.lookup = NULL};
    struct accounts *accounts = accounts_new(&apart, count_told, NULL);
    uint32_t account;

    (void)state;
    assert_non_null(accounts);
    assert_true(accounts_find(accounts, 300001, 1, &account));
    assert_int_equal(account, 300001);
    accounts_free(accounts);
}

/* What was said is kept for a while, and counts while the database is asked again. */
static void test_R53_what_the_database_said_is_kept(void **state)
{
    struct accounts *accounts;
    uint32_t account;
    unsigned told = 0;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&user_database_config, count_told, &told);
    account_of(accounts, 1000, 1);
    account_of(accounts, 1001, 1);
    assert_int_equal(account_of(accounts, 1000, ACCOUNTS_MEMBER_MS), 1000);
    assert_int_equal(account_of(accounts, 1001, ACCOUNTS_GUEST_MS), ACCOUNT_GUESTS);
    assert_int_equal(user_database_questions(), 2);
    user_database_set(false, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(accounts_find(accounts, 1000, ACCOUNTS_MEMBER_MS + 1, &account));
        assert_int_equal(account, 1000);
    }
    user_database_await_questions(3);
    user_database_set(true, true);
    user_database_await_answers(3);
    assert_int_equal(account_of(accounts, 1000, ACCOUNTS_MEMBER_MS + 1), 1000);
    accounts_free(accounts);
}

/* However many users ask, and however long the database takes, nobody waits in here, and there are
 * only so many questions. */
static void test_R53_questions_are_bounded(void **state)
{
    struct accounts *accounts;
    unsigned told = 0, waiting = 0;
    uint32_t account;

    (void)state;
    user_database_begin(false);
    accounts = accounts_new(&user_database_config, count_told, &told);
    for (uint32_t uid = 300000; uid < 310000; uid++) {
        if (accounts_find(accounts, uid, 1, &account))
            assert_int_equal(account, ACCOUNT_GUESTS);
        else
            waiting++;
    }
    assert_int_equal(waiting, USER_TABLE_QUESTIONS);
    user_database_await_questions(1);
    /* Nor is the database waited for at the end. */
    accounts_free(accounts);
    assert_int_equal(told, 0);
    user_database_set(true, false);
    user_database_await_answers(1);
}

/* More strangers than may be asked about, of `blocks` blocks in turn, while the database does not
 * come back from any of them. */
static struct accounts *accounts_in_a_crowd(unsigned blocks, unsigned *told)
{
    struct accounts *accounts;
    uint32_t account;

    user_database_begin(true);
    user_database_set_stuck(true);
    accounts = accounts_new(&user_database_config, count_told, told);
    assert_non_null(accounts);
    for (uint32_t i = 0; i < 2000; i++)
        accounts_find(accounts, USER_DATABASE_STRANGERS + i % blocks * ACCOUNT_BLOCK + i, 1,
                      &account);
    user_database_await_questions(blocks);
    return accounts;
}

static void leave_the_crowd(struct accounts *accounts)
{
    accounts_free(accounts);
    user_database_set_stuck(false);
    user_database_await_answers(user_database_questions());
}

/* Whoever is seen as thousands of users does not make a member a guest, nor wait. */
static void test_R53_a_crowd_holds_up_no_member(void **state)
{
    (void)state;
    for (unsigned blocks = 1; blocks <= 4; blocks++) {
        unsigned told = 0;
        struct accounts *accounts = accounts_in_a_crowd(blocks, &told);

        for (uint32_t uid = 1000; uid < 1010; uid += 2)
            assert_int_equal(account_of(accounts, uid, 1), uid);
        leave_the_crowd(accounts);
    }
}

/* Members that come all at once have their questions asked, though there are as many as may wait:
 * it is the crowd's newest that are no more. */
static void test_R53_a_crowd_gives_way_to_members(void **state)
{
    struct accounts *accounts;
    unsigned told = 0, waiting = 0;
    uint32_t account;

    (void)state;
    user_database_begin(false);
    accounts = accounts_new(&user_database_config, count_told, &told);
    for (uint32_t uid = USER_DATABASE_STRANGERS; uid < USER_DATABASE_STRANGERS + 2000; uid++)
        accounts_find(accounts, uid, 1, &account);
    for (uint32_t uid = 1000; uid < 1000 + USER_TABLE_QUESTIONS; uid += 2)
        assert_false(accounts_find(accounts, uid, 1, &account));
    /* There they are equals. */
    for (uint32_t uid = USER_DATABASE_STRANGERS;
         uid < USER_DATABASE_STRANGERS + USER_TABLE_QUESTIONS; uid++)
        waiting += !accounts_find(accounts, uid, 1, &account);
    assert_int_equal(waiting, USER_TABLE_QUESTIONS / 2);
    user_database_set(true, false);
    for (uint32_t uid = 1000; uid < 1000 + USER_TABLE_QUESTIONS; uid += 2)
        assert_int_equal(account_of(accounts, uid, 1), uid);
    leave_the_crowd(accounts);
}

/* What the database could not say is asked again soon. */
static void test_R53_no_answer_is_no_verdict(void **state)
{
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    user_database_begin(true);
    user_database_set(true, true);
    accounts = accounts_new(&user_database_config, count_told, &told);
    assert_int_equal(account_of(accounts, 1000, 1), ACCOUNT_GUESTS);
    user_database_set(true, false);
    assert_int_equal(account_of(accounts, 1000, 2), ACCOUNT_GUESTS);
    assert_int_equal(user_database_questions(), 1);
    account_of(accounts, 1000, 1 + ACCOUNTS_RETRY_MS);
    user_database_await_answers(2);
    for (unsigned i = 0;
         i < ENGINE_WORLD_MOMENTS && account_of(accounts, 1000, 1 + ACCOUNTS_RETRY_MS) != 1000; i++)
        poll(NULL, 0, 1);
    assert_int_equal(account_of(accounts, 1000, 1 + ACCOUNTS_RETRY_MS), 1000);
    accounts_free(accounts);
}

/* Members stay known when thousands of others come by. */
static void test_R53_strangers_do_not_push_out_members(void **state)
{
    struct accounts *accounts;
    unsigned told = 0;
    uint32_t account;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&user_database_config, count_told, &told);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    for (uint32_t uid = 300001; uid < 300001 + 4 * USER_TABLE_SIZE; uid += 2)
        account_of(accounts, uid, 1);
    assert_true(accounts_find(accounts, 1000, 1, &account));
    assert_int_equal(account, 1000);
    accounts_free(accounts);
}

static unsigned list_members(gid_t group, uint32_t *uids, unsigned max)
{
    assert_int_equal(group, 7);
    assert_true(max >= 2);
    uids[0] = 2000;
    uids[1] = 2002;
    return 2;
}

/* Whom the group's entry lists is known from the start, and stays so while strangers keep the
 * database busy. */
static void test_R53_listed_members_are_known_beforehand(void **state)
{
    const struct accounts_config config = {
        .lookup = user_database_ask, .list = list_members, .group = 7};
    struct accounts *accounts;
    unsigned told = 0;
    uint32_t account;

    (void)state;
    user_database_begin(false);
    accounts = accounts_new(&config, count_told, &told);
    for (uint32_t uid = 300000; uid < 300100; uid++)
        accounts_find(accounts, uid, 1, &account);
    user_database_await_questions(1);
    assert_int_equal(account_of(accounts, 2002, 1), 2002);
    accounts_free(accounts);
    user_database_set(true, false);
    user_database_await_answers(1);
}

/* The group's entry is asked for before anybody comes. */
static void test_R53_the_group_is_asked_for_at_once(void **state)
{
    const struct accounts_config config = {
        .lookup = user_database_ask, .list = list_members, .group = 7};
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    user_database_begin(true);
    accounts = accounts_new(&config, count_told, &told);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && !__atomic_load_n(&told, __ATOMIC_SEQ_CST); i++)
        poll(NULL, 0, 1);
    accounts_free(accounts);
    assert_int_equal(told, 1);
    assert_int_equal(user_database_questions(), 0);
}

/* Whether the group's entry is asked for, and whether it comes. */
static bool list_begun, list_comes;

static unsigned list_late(gid_t group, uint32_t *uids, unsigned max)
{
    __atomic_store_n(&list_begun, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&list_comes, __ATOMIC_SEQ_CST))
        poll(NULL, 0, 1);
    return list_members(group, uids, max);
}

/* A group's entry that takes long holds up no question about a user. */
static void test_R53_a_late_list_holds_up_nobody(void **state)
{
    const struct accounts_config config = {
        .lookup = user_database_ask, .list = list_late, .group = 7};
    struct accounts *accounts;
    unsigned told = 0;
    uint32_t account;

    (void)state;
    user_database_begin(true);
    list_begun = list_comes = false;
    accounts = accounts_new(&config, count_told, &told);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS; i++) {
        if (__atomic_load_n(&list_begun, __ATOMIC_SEQ_CST))
            break;
        poll(NULL, 0, 1);
    }
    assert_true(list_begun);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    __atomic_store_n(&list_comes, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && __atomic_load_n(&told, __ATOMIC_SEQ_CST) < 2;
         i++)
        poll(NULL, 0, 1);
    assert_int_equal(user_database_questions(), 1);
    /* It is known, and asked about again. */
    assert_true(accounts_find(accounts, 2002, 1, &account));
    assert_int_equal(account, 2002);
    accounts_free(accounts);
}

/* The database of this system: root's own group, and a number that no user has. */
static void test_R53_the_system_tells_members_from_strangers(void **state)
{
    uint32_t uid;

    (void)state;
    assert_int_equal(membership_lookup(0, 0), 1);
    assert_int_equal(membership_lookup(0, 4000000000), 0);
    assert_int_equal(membership_lookup(3999999999, 0), 0);
    assert_int_equal(membership_list(4000000000, &uid, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R53_accounts_are_principals),
        cmocka_unit_test(test_R80_who_is_not_known_as_a_member_is_a_guest),
        cmocka_unit_test(test_R53_no_thread_waits_for_questions),
        cmocka_unit_test(test_thread_that_asks_the_database),
        cmocka_unit_test(test_R53_without_a_database_each_user_is_an_account),
        cmocka_unit_test(test_R53_what_the_database_said_is_kept),
        cmocka_unit_test(test_R53_questions_are_bounded),
        cmocka_unit_test(test_R53_a_crowd_holds_up_no_member),
        cmocka_unit_test(test_R53_a_crowd_gives_way_to_members),
        cmocka_unit_test(test_R53_no_answer_is_no_verdict),
        cmocka_unit_test(test_R53_strangers_do_not_push_out_members),
        cmocka_unit_test(test_R53_listed_members_are_known_beforehand),
        cmocka_unit_test(test_R53_the_group_is_asked_for_at_once),
        cmocka_unit_test(test_R53_a_late_list_holds_up_nobody),
        cmocka_unit_test(test_R53_the_system_tells_members_from_strangers),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests_name("engine-accounts", tests, NULL, NULL);
}
