/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that is killed while it lets somebody in, in each instant of that: when one of its
 * threads goes into a system call, or comes out of it. Somebody listens for it, as systemd does,
 * and starts it again; so the newcomer gets in.
 */
#include "lobby.h"
#include "syscall-trap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

struct newcomer {
    char *conf;
    TSS2_TCTI_CONTEXT *tcti;
    TSS2_RC rc;
    atomic_bool is_in;
    pthread_t thread;
};

static void *come_in(void *data)
{
    struct newcomer *newcomer = data;

    newcomer->rc = Tss2_TctiLdr_Initialize(newcomer->conf, &newcomer->tcti);
    atomic_store(&newcomer->is_in, true);
    return NULL;
}

static bool is_in(void *data)
{
    struct newcomer *newcomer = data;

    return atomic_load(&newcomer->is_in);
}

/* Whether the connection is one of a daemon that lives. */
static bool is_served(const struct newcomer *newcomer)
{
    static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};
    uint8_t response[64];
    size_t size = sizeof(response);

    return Tss2_Tcti_Transmit(newcomer->tcti, sizeof(get_random), get_random) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(newcomer->tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK)
                  == TSS2_RC_SUCCESS
           && size == 20;
}

/* Lets somebody in while the daemon's thread is killed at its stop number `stops`. False when that
 * was later. */
static bool let_in(struct lobby *lobby, struct newcomer *newcomer, const char *thread,
                   unsigned stops)
{
    struct syscall_trap trap;
    unsigned starts = keeper_starts(lobby->keeper);
    int error = syscall_trap_set(&trap, keeper_pid(lobby->keeper), thread);
    bool killed;

    assert_int_equal(error, 0);
    assert_int_equal(pthread_create(&newcomer->thread, NULL, come_in, newcomer), 0);
    killed = syscall_trap_kill(&trap, stops, is_in, newcomer);
    pthread_join(newcomer->thread, NULL);
    if (killed)
        assert_true(keeper_await_ready(lobby->keeper, starts + 1));
    assert_int_equal(newcomer->rc, TSS2_RC_SUCCESS);
    return killed;
}

/* Who was let in before the kill has lost its daemon; everybody else has one. */
static void kill_at_each_instant(struct world *world, enum served_way way, const char *thread)
{
    unsigned stops = 0, served = 0;
    struct lobby lobby;
    bool killed = true;

    /* The daemon hides from others of its user. */
    if (geteuid() != 0)
        skip();
    lobby_open(&lobby, world, 0);
    while (killed) {
        struct newcomer newcomer = {.conf = served_conf(world, way)};

        killed = let_in(&lobby, &newcomer, thread, ++stops);
        served += is_served(&newcomer);
        Tss2_TctiLdr_Finalize(&newcomer.tcti);
        g_free(newcomer.conf);
    }
    assert_in_range(served, 1, stops);
    lobby_close(&lobby);
}

static void test_a_daemon_that_is_killed_at_its_socket_lets_in_all_the_same(void **state)
{
    kill_at_each_instant(*state, SERVED_SOCKET, "engine");
}

static void test_a_daemon_that_is_killed_at_the_bus_lets_in_all_the_same(void **state)
{
    kill_at_each_instant(*state, SERVED_BUS, "gdbus");
}

static void test_a_daemon_that_is_killed_between_bus_and_engine_lets_in(void **state)
{
    kill_at_each_instant(*state, SERVED_BUS, "engine");
}

#define newcomers_test(function) \
    cmocka_unit_test_setup_teardown(function, lobby_make_world, lobby_end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        newcomers_test(test_a_daemon_that_is_killed_at_its_socket_lets_in_all_the_same),
        newcomers_test(test_a_daemon_that_is_killed_at_the_bus_lets_in_all_the_same),
        newcomers_test(test_a_daemon_that_is_killed_between_bus_and_engine_lets_in),
    };

    return cmocka_run_group_tests_name("newcomers", tests, NULL, NULL);
}
