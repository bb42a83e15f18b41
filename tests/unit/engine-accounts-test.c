/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose account a user is on, and how newcomers come in. */
#include "base/account.h"
#include "base/log.h"
#include "engine-world.h"
#include "engine/accounts.h"
#include "engine/membership.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A user database: users with even numbers are members. It answers while its gate is open. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open, silent; /* silent: it says nothing of use */
    unsigned questions, answers;
} database = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static int ask_database(uint32_t uid, gid_t group)
{
    int answer;

    pthread_mutex_lock(&database.lock);
    database.questions++;
    while (!database.open)
        pthread_cond_wait(&database.opened, &database.lock);
    answer = database.silent ? -EIO : uid % 2 == 0 && group == 7;
    database.answers++;
    pthread_mutex_unlock(&database.lock);
    return answer;
}

static void database_set(bool open, bool silent)
{
    pthread_mutex_lock(&database.lock);
    database.open = open;
    database.silent = silent;
    pthread_cond_broadcast(&database.opened);
    pthread_mutex_unlock(&database.lock);
}

static unsigned database_number(const unsigned *number)
{
    unsigned value;

    pthread_mutex_lock(&database.lock);
    value = *number;
    pthread_mutex_unlock(&database.lock);
    return value;
}

static void database_await(const unsigned *number, unsigned value)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && database_number(number) < value; i++)
        poll(NULL, 0, 5);
    assert_true(database_number(number) >= value);
}

static void database_reset(bool open)
{
    database_set(open, false);
    pthread_mutex_lock(&database.lock);
    database.questions = database.answers = 0;
    pthread_mutex_unlock(&database.lock);
}

static const struct accounts_config asks = {.lookup = ask_database, .group = 7};

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
    static const uint32_t named[] = {1003};
    struct accounts *accounts;
    unsigned told = 0;

    (void)state;
    database_reset(true);
    accounts = accounts_new(&asks, named, 1, count_told, &told);
    assert_non_null(accounts);
    assert_int_equal(account_of(accounts, 0, 1), ACCOUNT_ROOT);
    assert_int_equal(account_of(accounts, 1003, 1), 1003);
    assert_int_equal(database_number(&database.questions), 0);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    assert_int_equal(account_of(accounts, 1001, 1), ACCOUNT_GUESTS);
    for (uint32_t uid = 300001; uid < 300041; uid += 2)
        assert_int_equal(account_of(accounts, uid, 1), ACCOUNT_GUESTS);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    assert_int_equal(database_number(&database.questions), 22);
    accounts_free(accounts);
    assert_int_equal(told, 22);
}

static void test_R53_without_a_database_each_user_is_an_account(void **state)
{
    const struct accounts_config apart = {.lookup = NULL};
    struct accounts *accounts = accounts_new(&apart, NULL, 0, count_told, NULL);
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
    database_reset(true);
    accounts = accounts_new(&asks, NULL, 0, count_told, &told);
    account_of(accounts, 1000, 1);
    account_of(accounts, 1001, 1);
    assert_int_equal(account_of(accounts, 1000, ACCOUNTS_MEMBER_MS), 1000);
    assert_int_equal(account_of(accounts, 1001, ACCOUNTS_GUEST_MS), ACCOUNT_GUESTS);
    assert_int_equal(database_number(&database.questions), 2);
    database_set(false, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(accounts_find(accounts, 1000, ACCOUNTS_MEMBER_MS + 1, &account));
        assert_int_equal(account, 1000);
    }
    database_await(&database.questions, 3);
    database_set(true, true);
    database_await(&database.answers, 3);
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
    database_reset(false);
    accounts = accounts_new(&asks, NULL, 0, count_told, &told);
    for (uint32_t uid = 300000; uid < 310000; uid++) {
        if (accounts_find(accounts, uid, 1, &account))
            assert_int_equal(account, ACCOUNT_GUESTS);
        else
            waiting++;
    }
    assert_int_equal(waiting, ACCOUNTS_WAITING);
    database_await(&database.questions, 1);
    /* Nor is the database waited for at the end. */
    accounts_free(accounts);
    assert_int_equal(told, 0);
    database_set(true, false);
    database_await(&database.answers, 1);
}

/* Members stay known when thousands of others come by. */
static void test_R53_strangers_do_not_push_out_members(void **state)
{
    struct accounts *accounts;
    unsigned told = 0;
    uint32_t account;

    (void)state;
    database_reset(true);
    accounts = accounts_new(&asks, NULL, 0, count_told, &told);
    assert_int_equal(account_of(accounts, 1000, 1), 1000);
    for (uint32_t uid = 300001; uid < 300001 + 4 * ACCOUNTS_KNOWN; uid += 2)
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
        .lookup = ask_database, .list = list_members, .group = 7};
    struct accounts *accounts;
    unsigned told = 0;
    uint32_t account;

    (void)state;
    database_reset(false);
    accounts = accounts_new(&config, NULL, 0, count_told, &told);
    for (uint32_t uid = 300000; uid < 300100; uid++)
        accounts_find(accounts, uid, 1, &account);
    database_await(&database.questions, 1);
    assert_true(accounts_find(accounts, 2002, 1, &account));
    assert_int_equal(account, 2002);
    accounts_free(accounts);
    database_set(true, false);
    database_await(&database.answers, 1);
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

static int world_of_guests(void **state)
{
    struct engine_world *world = engine_world_new(true);

    database_reset(true);
    world->config.max_connections = 16; /* 4 are root's */
    world->config.accounts = asks;
    engine_world_start(world);
    *state = world;
    return 0;
}

/* Connects for good or not. True when the connection serves. */
static bool is_let_in(struct engine_world *world, int client, uint32_t uid)
{
    uint8_t command[ENGINE_CHIP_RANDOM];
    struct pollfd handle;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (engine_connect(world->engine, 100 + (uint64_t)client, uid, pair[0]) != 0) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    world->clients[client] = pair[1];
    handle = (struct pollfd){pair[1], POLLIN, 0};
    /* It may have been let go already. */
    engine_chip_random(command, 1);
    send(pair[1], command, sizeof(command), MSG_NOSIGNAL);
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && poll(&handle, 1, 0) == 0; i++)
        engine_world_pump(world);
    if (handle.revents & POLLHUP)
        return false;
    assert_int_equal(engine_world_get(world, client, ENGINE_WORLD_ANSWER), 0);
    return true;
}

static void test_R53_guests_share_what_is_one_users(void **state)
{
    struct engine_world *world = *state;
    unsigned guests = 0;

    /* Of 12 that are not root's one account has half. */
    for (int i = 0; i < 7; i++)
        guests += is_let_in(world, i, 300001 + 2 * (uint32_t)i);
    assert_int_equal(guests, 6);
    if (world->clients[6] >= 0)
        engine_world_disconnect(world, 6);
    assert_true(is_let_in(world, 7, 1000));
}

/* A member is let in and served while the database hangs, as it is known; and who is not known yet
 * is let in as a guest. */
static void test_R53_a_database_that_hangs_holds_up_nobody(void **state)
{
    struct engine_world *world = *state;

    assert_true(is_let_in(world, 0, 1000));
    database_set(false, false);
    engine_world_connect(world, 1, 1002);
    engine_world_put_random(world, 1, 1);
    database_await(&database.questions, 2);
    assert_true(is_let_in(world, 2, 1000));
    engine_world_expect_served(world, 2);
    engine_world_await_answer(world, 1);
    assert_int_equal(engine_world_get(world, 1, ENGINE_WORLD_ANSWER), 0);
    database_set(true, false);
}

/* Clients whose account is not known yet go with the engine. */
static void test_R53_the_end_waits_for_no_database(void **state)
{
    struct engine_world *world = *state;

    database_set(false, false);
    for (int i = 0; i < 3; i++)
        engine_world_connect(world, i, 1000 + 2 * (uint32_t)i);
    engine_stop(world->engine);
    engine_world_await_flag(world, &world->stopped);
    assert_int_equal(engine_world_number(world, &world->gone), 3);
    for (int i = 0; i < 3; i++)
        engine_world_expect_end(world, i);
}

static int world_with_a_door(void **state)
{
    struct engine_world *world = engine_world_new(false);

    engine_world_listen(world);
    engine_world_start(world);
    *state = world;
    return 0;
}

/* One client sends command after command, others only connect and hang up, and do so before
 * somebody comes who wants something: it waits for a turn or two of the first one, not for one with
 * each few of the others. */
static void test_R58_who_connects_in_a_loop_holds_up_nobody(void **state)
{
    struct engine_world *world = *state;
    unsigned turns = 1;

    engine_world_connect(world, 0, 1000);
    for (unsigned i = 0; i < 100; i++)
        engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    /* The engine waits for the TPM, which takes its time. */
    for (unsigned i = 0; i < LISTENER_BACKLOG - 1; i++) {
        engine_world_visit(world, 1);
        engine_world_disconnect(world, 1);
    }
    engine_world_visit(world, 1);
    engine_world_put_control(world, 1, CONTROL_FRAME_HELLO, 0);
    while (!engine_world_has_answer(world, 1, 0) && turns < 80) {
        engine_chip_answer(&world->chip);
        assert_int_equal(engine_world_get(world, 0, ENGINE_WORLD_ANSWER), 0);
        engine_world_take(world, 1);
        turns++;
    }
    assert_in_range(turns, 2, 4);
    assert_int_equal(engine_world_get_control(world, 1, CONTROL_FRAME_HELLO), 0);
    engine_chip_answer(&world->chip);
    engine_world_disconnect(world, 0);
}

static int world_of_guests_end(void **state)
{
    int result = engine_world_teardown(state);

    database_set(true, false);
    return result;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_of_guests, world_of_guests_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R53_accounts_are_principals),
        cmocka_unit_test(test_R53_without_a_database_each_user_is_an_account),
        cmocka_unit_test(test_R53_what_the_database_said_is_kept),
        cmocka_unit_test(test_R53_questions_are_bounded),
        cmocka_unit_test(test_R53_strangers_do_not_push_out_members),
        cmocka_unit_test(test_R53_listed_members_are_known_beforehand),
        cmocka_unit_test(test_R53_the_system_tells_members_from_strangers),
        cmocka_unit_test_setup_teardown(test_R58_who_connects_in_a_loop_holds_up_nobody,
                                        world_with_a_door, engine_world_teardown),
        WORLD_TEST(test_R53_guests_share_what_is_one_users),
        WORLD_TEST(test_R53_a_database_that_hangs_holds_up_nobody),
        WORLD_TEST(test_R53_the_end_waits_for_no_database),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests_name("engine-accounts", tests, NULL, NULL);
}
