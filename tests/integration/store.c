/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon under a service manager that keeps descriptors for it. */
#include "kept.h"
#include "manager-calls.h"

#include <signal.h>
#include <unistd.h>

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 32};

static void expect_served(const struct world *world)
{
    static const enum served_way ways[] = {SERVED_BUS, SERVED_SOCKET};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct esys_client *client = served_client(world, ways[i], NULL);

        assert_non_null(client);
        assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
        esys_client_free(client);
    }
}

static void test_the_next_daemon_serves(void **state)
{
    const struct kept *kept = *state;

    expect_served(kept->world);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_served(kept->world);
    assert_true(keeper_restart(kept->keeper));
    expect_served(kept->world);
    assert_int_equal(keeper_starts(kept->keeper), 3);
    assert_int_equal(keeper_strangers(kept->keeper), 0);
}

/* Newcomers wait in the queue of the socket while there is no daemon. */
static void test_newcomers_wait_for_the_next_daemon(void **state)
{
    const struct kept *kept = *state;
    uint8_t answer[64];
    struct raw_client *waiting;

    assert_true(keeper_await_kept(kept->keeper, "l", 1));
    kept_begin_gap(kept);
    waiting = served_raw_client(kept->world);
    assert_non_null(waiting);
    assert_true(raw_client_send(waiting, get_random, sizeof(get_random)));
    keeper_pause(kept->keeper, false);
    assert_true(raw_client_receive(waiting, answer, sizeof(answer)) > 0);
    raw_client_free(waiting);
    assert_true(keeper_await_ready(kept->keeper, 2));
    expect_served(kept->world);
    /* The same socket, once. */
    assert_true(keeper_restart(kept->keeper));
    assert_int_equal(keeper_kept(kept->keeper, "l"), 1);
    expect_served(kept->world);
}

/* Its file was removed: there is no way to it any more. */
static void test_a_socket_that_nobody_reaches_is_replaced(void **state)
{
    const struct kept *kept = *state;
    char *path = served_socket(kept->world);

    assert_true(keeper_await_kept(kept->keeper, "l", 1));
    assert_int_equal(unlink(path), 0);
    g_free(path);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_served(kept->world);
    assert_true(keeper_await_kept(kept->keeper, "l", 1));
}

static int world_without_store(void **state)
{
    return kept_world_with(state, NULL, 0);
}

static void test_nothing_is_stored_where_nothing_is_kept(void **state)
{
    const struct kept *kept = *state;

    expect_served(kept->world);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_served(kept->world);
    assert_int_equal(keeper_refused(kept->keeper), 0);
    assert_int_equal(keeper_kept(kept->keeper, NULL), 0);
}

#define CROWD 1024 /* clients that the service's unit has room for */

static uint32_t random_code(struct raw_client *raw)
{
    return raw_client_transact(raw, get_random, sizeof(get_random));
}

/* Clients that are served. */
static void come(const struct world *world, struct raw_client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        clients[i] = served_raw_client(world);
        assert_non_null(clients[i]);
        assert_int_equal(random_code(clients[i]), 0);
    }
}

static void expect_all_served(struct raw_client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(random_code(clients[i]), 0);
}

static void leave(struct raw_client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        raw_client_free(clients[i]);
}

/* What was sent to the service manager counts, whenever that looks at it. */
static void test_a_service_manager_that_is_late_keeps_all(void **state)
{
    const struct kept *kept = *state;
    struct raw_client *clients[8];

    keeper_hold(kept->keeper, true);
    come(kept->world, clients, 8);
    assert_int_equal(keeper_kept(kept->keeper, "c"), 0);
    raw_client_free(clients[0]);
    kept_begin_gap(kept);
    keeper_hold(kept->keeper, false);
    kept_end_gap(kept);
    expect_all_served(clients + 1, 7);
    assert_true(keeper_await_kept(kept->keeper, "c", 7));
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_all_served(clients + 1, 7);
    leave(clients + 1, 7);
    assert_true(keeper_await_kept(kept->keeper, "c", 0));
}

/* Who leaves while there is no daemon is gone for the next one, with all that it had. */
static void test_who_leaves_in_the_gap_is_gone(void **state)
{
    const struct kept *kept = *state;
    struct raw_client *clients[4];
    uint32_t handle;

    come(kept->world, clients, 4);
    assert_int_equal(raw_client_start_session(clients[0], &handle), 0);
    assert_int_equal(raw_client_start_session(clients[1], &handle), 0);
    kept_begin_gap(kept);
    raw_client_free(clients[0]);
    kept_end_gap(kept);
    expect_all_served(clients + 1, 3);
    kept_expect_log(kept, "3 connections of a former daemon are served on, with 0 objects and 1 "
                          "sessions");
    assert_int_equal(keeper_kept(kept->keeper, "c"), 3);
    leave(clients + 1, 3);
}

#define SPARED 64 /* of the descriptors that are kept: for others than connections */

static int world_with_a_small_store(void **state)
{
    static const char *const args[] = {"--idle-release=never", NULL};

    return kept_world_with(state, args, SPARED + 4);
}

struct crowd {
    const struct world *world;
    unsigned count;
};

/* The daemon has as many clients as there are, and has seen the others leave. */
static bool is_all(void *data)
{
    const struct crowd *crowd = data;
    GDBusConnection *connection = manager_calls_connect(crowd->world);
    GVariant *status = manager_calls_get(connection, NULL, "GetStatus", "(a{sv})");
    bool all = manager_calls_number(status, "Connections") == crowd->count;

    g_variant_unref(status);
    g_object_unref(connection);
    return all;
}

/* Who finds no room in the store is served all the same, until that daemon ends. */
static void test_who_does_not_fit_ends_with_its_daemon(void **state)
{
    const struct kept *kept = *state;
    struct raw_client *clients[6];

    come(kept->world, clients, 6);
    kept_expect_log(kept, "the service manager keeps 4 connections for the next daemon");
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_all_served(clients, 4);
    assert_true(raw_client_closed(clients[4]));
    assert_true(raw_client_closed(clients[5]));
    assert_int_equal(keeper_refused(kept->keeper), 0);
    /* A seat that is free again is somebody's. */
    raw_client_free(clients[0]);
    leave(clients + 4, 2);
    assert_true(world_poll(is_all, &(struct crowd){kept->world, 3}, WORLD_START_MS));
    come(kept->world, clients, 1);
    assert_true(keeper_restart(kept->keeper));
    expect_all_served(clients, 4);
    leave(clients, 4);
}

static void test_a_crowd_is_served_on(void **state)
{
    static struct raw_client *clients[CROWD];
    const struct kept *kept = *state;

    /* No other user has as many. */
    if (geteuid() != 0)
        skip();
    come(kept->world, clients, CROWD);
    assert_true(keeper_kill(kept->keeper, SIGKILL));
    expect_all_served(clients, CROWD);
    assert_true(keeper_restart(kept->keeper));
    expect_all_served(clients, CROWD);
    assert_int_equal(keeper_kept(kept->keeper, "c"), CROWD);
    assert_int_equal(keeper_refused(kept->keeper), 0);
    leave(clients, CROWD);
    assert_true(keeper_await_kept(kept->keeper, "c", 0));
}

/* How many messages the kernel keeps for a service manager that reads none. */
static unsigned queue_length(void)
{
    char *text = NULL;
    unsigned length = 0;

    if (g_file_get_contents("/proc/sys/net/unix/max_dgram_qlen", &text, NULL, NULL))
        length = (unsigned)g_ascii_strtoull(text, NULL, 10);
    g_free(text);
    return length;
}

static bool has_ended(void *data)
{
    return keeper_pid(data) == 0;
}

/* A hand-over waits for the service manager to take the connections that it was not told of. */
static void test_a_hand_over_stores_all(void **state)
{
    static struct raw_client *clients[CROWD];
    const struct kept *kept = *state;
    unsigned count = queue_length() + 16, starts = keeper_starts(kept->keeper);

    if (geteuid() != 0 || count > CROWD)
        skip();
    keeper_hold(kept->keeper, true);
    come(kept->world, clients, count);
    keeper_signal(kept->keeper, SIGUSR1);
    assert_false(world_poll(has_ended, kept->keeper, 1000));
    keeper_hold(kept->keeper, false);
    assert_true(keeper_await_ready(kept->keeper, starts + 1));
    expect_all_served(clients, count);
    leave(clients, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_test(test_the_next_daemon_serves),
        kept_test(test_newcomers_wait_for_the_next_daemon),
        kept_test(test_a_socket_that_nobody_reaches_is_replaced),
        cmocka_unit_test_setup_teardown(test_nothing_is_stored_where_nothing_is_kept,
                                        world_without_store, kept_end_world),
        kept_test(test_a_service_manager_that_is_late_keeps_all),
        kept_test(test_who_leaves_in_the_gap_is_gone),
        cmocka_unit_test_setup_teardown(test_who_does_not_fit_ends_with_its_daemon,
                                        world_with_a_small_store, kept_end_world),
        kept_test(test_a_crowd_is_served_on),
        kept_test(test_a_hand_over_stores_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
