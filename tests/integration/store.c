/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon under a service manager that keeps descriptors for it. */
#include "kept.h"

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
    keeper_pause(kept->keeper, true);
    keeper_signal(kept->keeper, SIGKILL);
    assert_true(keeper_await_ended(kept->keeper));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        kept_test(test_the_next_daemon_serves),
        kept_test(test_newcomers_wait_for_the_next_daemon),
        kept_test(test_a_socket_that_nobody_reaches_is_replaced),
        cmocka_unit_test_setup_teardown(test_nothing_is_stored_where_nothing_is_kept,
                                        world_without_store, kept_end_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
