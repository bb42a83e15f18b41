/* SPDX-License-Identifier: BSD-2-Clause */
/* How newcomers come in, and on whose account. */
#include "base/account.h"
#include "base/log.h"
#include "engine-world.h"
#include "log-capture.h"
#include "user-database.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Strangers that come all at once: more than are let in. */
#define CROWD 200

static int start_world(void **state, int timeout_ms)
{
    struct engine_world *world = engine_world_new(true);

    user_database_reset(true);
    world->config.max_connections = 16; /* 4 are root's */
    world->config.accounts = user_database_config;
    world->config.accounts.timeout_ms = timeout_ms;
    engine_world_start(world);
    *state = world;
    return 0;
}

static int world_of_guests(void **state)
{
    return start_world(state, user_database_config.timeout_ms);
}

/* One that waits for no answer for long. */
static int world_in_a_hurry(void **state)
{
    return start_world(state, 50);
}

static int world_of_guests_end(void **state)
{
    int result = engine_world_teardown(state);

    user_database_set(true, false);
    user_database_set_stuck(false);
    user_database_await_answers(user_database_questions());
    return result;
}

/* Waits until the user is known, as one that has been there before is. */
static void await_account(struct engine_world *world, uint32_t uid)
{
    for (unsigned i = 0; i < ENGINE_WORLD_MOMENTS && engine_account(world->engine, uid) != uid; i++)
        poll(NULL, 0, 5);
    assert_int_equal(engine_account(world->engine, uid), uid);
}

/* The client's end; -1 when it is refused at once. */
static int connect_one(struct engine_world *world, uint64_t id, uint32_t uid)
{
    const struct peer_groups groups = {.known = true};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (engine_connect(world->engine, id, uid, 0, &groups, pair[0]) == 0)
        return pair[1];
    close(pair[0]);
    close(pair[1]);
    return -1;
}

/* Connects for good or not. True when the connection serves. */
static bool is_let_in(struct engine_world *world, int client, uint32_t uid)
{
    int fd = connect_one(world, 100 + (uint64_t)client, uid);
    struct pollfd handle = {fd, POLLIN, 0};
    uint8_t command[ENGINE_CHIP_RANDOM];

    if (fd < 0)
        return false;
    world->clients[client] = fd;
    /* It may have been let go already. */
    engine_chip_random(command, 1);
    send(fd, command, sizeof(command), MSG_NOSIGNAL);
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
    assert_true(is_let_in(world, 7, 41000));
}

/* A member is let in and served while the database hangs, as it is known; and who is not known yet
 * is let in as a guest. */
static void test_R53_a_database_that_hangs_holds_up_nobody(void **state)
{
    struct engine_world *world = *state;

    await_account(world, 41000);
    user_database_set(false, false);
    engine_world_connect(world, 1, 41002);
    engine_world_put_random(world, 1, 1);
    user_database_await_questions(2);
    assert_true(is_let_in(world, 2, 41000));
    engine_world_expect_served(world, 2);
    engine_world_await_answer(world, 1);
    assert_int_equal(engine_world_get(world, 1, ENGINE_WORLD_ANSWER), 0);
    user_database_set(true, false);
}

/* Strangers hold their half and come on, the database comes back from none of them: a member that
 * it was not asked about is let in on its own account, at once. */
static void test_R53_a_stuck_database_refuses_no_member(void **state)
{
    struct engine_world *world = *state;
    int far[CROWD];

    for (int i = 0; i < 6; i++)
        assert_true(is_let_in(world, i, USER_DATABASE_STRANGERS + 1 + 2 * (uint32_t)i));
    user_database_set_stuck(true);
    for (uint32_t i = 0; i < CROWD; i++)
        far[i] = connect_one(world, 1000 + i, USER_DATABASE_STRANGERS + 1001 + 2 * i);
    assert_true(is_let_in(world, 6, 41000));
    assert_int_equal(engine_account(world->engine, 41000), 41000);
    for (uint32_t i = 0; i < CROWD; i++)
        if (far[i] >= 0)
            close(far[i]);
}

/* Over the bus too a newcomer is not taken for one of the guests, who may have all they may. */
static void test_R53_newcomers_are_told_from_guests(void **state)
{
    struct engine_world *world = *state;
    uint32_t crowd;

    await_account(world, 41000);
    user_database_set(false, false);
    crowd = engine_account(world->engine, USER_DATABASE_STRANGERS);
    assert_int_equal(engine_account(world->engine, USER_DATABASE_STRANGERS + 1), crowd);
    assert_int_not_equal(crowd, ACCOUNT_GUESTS);
    assert_int_not_equal(engine_account(world->engine, 41002), crowd);
    assert_int_not_equal(engine_account(world->engine, 41002), ACCOUNT_GUESTS);
    assert_int_equal(engine_account(world->engine, 41000), 41000);
    /* These numbers are no user's. */
    assert_int_equal(engine_account(world->engine, crowd), ACCOUNT_GUESTS);
}

/* For whom no answer comes, and then is no room, is let go as soon as that is so: it does not wait
 * for something else to happen. */
static void test_R53_who_is_refused_after_a_wait_is_let_go(void **state)
{
    struct engine_world *world = *state;
    unsigned guests = 0;

    user_database_set(false, false);
    for (int i = 0; i < 7; i++)
        engine_world_connect(world, i, USER_DATABASE_STRANGERS + (uint32_t)i);
    engine_world_expect_end(world, 6);
    for (int i = 0; i < 6; i++)
        guests += !engine_world_has_answer(world, i, 0);
    assert_int_equal(guests, 6);
}

static struct log_capture *capture;

static int world_with_a_log(void **state)
{
    capture = log_capture_begin(LOG_LEVEL_WARNING);
    return world_in_a_hurry(state);
}

static int world_with_a_log_end(void **state)
{
    int result = world_of_guests_end(state);

    log_capture_free(capture);
    log_threshold = LOG_LEVEL_SILENT;
    return result;
}

/* Of whom the database does not say anything is told of each crowd, and not of the first only. */
static void test_R57_a_crowd_leaves_lines_for_others(void **state)
{
    struct engine_world *world = *state;
    const char *line;
    bool told = false;
    int far[20];

    user_database_set(false, false);
    for (uint32_t i = 0; i < 20; i++)
        far[i] = connect_one(world, 1000 + i, USER_DATABASE_STRANGERS + i);
    assert_false(is_let_in(world, 0, 41000));
    while (!told && (line = log_capture_line(capture))[0])
        told = strstr(line, "user 41000 ");
    assert_true(told);
    for (uint32_t i = 0; i < 20; i++)
        if (far[i] >= 0)
            close(far[i]);
}

/* Clients whose account is not known yet go with the engine. */
static void test_R53_the_end_waits_for_no_database(void **state)
{
    struct engine_world *world = *state;

    user_database_set(false, false);
    for (int i = 0; i < 3; i++)
        engine_world_connect(world, i, 41000 + 2 * (uint32_t)i);
    engine_stop(world->engine);
    engine_world_await_flag(world, &world->stopped);
    assert_int_equal(engine_world_number(world, &world->gone), 3);
    for (int i = 0; i < 3; i++)
        engine_world_expect_end(world, i);
}

static int world_with_a_listener(void **state)
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

    engine_world_connect(world, 0, 41000);
    for (unsigned i = 0; i < 100; i++)
        engine_world_put_random(world, 0, 1);
    engine_world_take(world, 1);
    /* The engine waits for the TPM, which takes its time. */
    for (unsigned i = 0; i < LISTENER_BACKLOG - 1; i++) {
        engine_world_connect_socket(world, 1);
        engine_world_disconnect(world, 1);
    }
    engine_world_connect_socket(world, 1);
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

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_of_guests, world_of_guests_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_R58_who_connects_in_a_loop_holds_up_nobody,
                                        world_with_a_listener, engine_world_teardown),
        WORLD_TEST(test_R53_guests_share_what_is_one_users),
        cmocka_unit_test_setup_teardown(test_R53_a_database_that_hangs_holds_up_nobody,
                                        world_in_a_hurry, world_of_guests_end),
        cmocka_unit_test_setup_teardown(test_R53_who_is_refused_after_a_wait_is_let_go,
                                        world_in_a_hurry, world_of_guests_end),
        cmocka_unit_test_setup_teardown(test_R57_a_crowd_leaves_lines_for_others, world_with_a_log,
                                        world_with_a_log_end),
        WORLD_TEST(test_R53_newcomers_are_told_from_guests),
        WORLD_TEST(test_R53_a_stuck_database_refuses_no_member),
        WORLD_TEST(test_R53_the_end_waits_for_no_database),
    };

    log_threshold = LOG_LEVEL_SILENT;
    return cmocka_run_group_tests_name("engine-connections", tests, NULL, NULL);
}
