/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that is killed at its work, in an instant of that: when one of its threads goes into a
 * system call, or comes out of it. The next one goes on with the clients. With `each` as argument
 * each instant is tried, else some that TABRMD_TEST_SEED chooses.
 */
#include "kept.h"
#include "lobby.h"
#include "syscall-trap.h"
#include "work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE 12 /* instants of a thread that are tried, if not each is */

static bool each;

struct worker {
    struct work work;
    atomic_bool over;
    pthread_t thread;
};

static void *run(void *data)
{
    struct worker *worker = data;

    (void)work_do(&worker->work);
    atomic_store(&worker->over, true);
    return NULL;
}

static bool is_over(void *data)
{
    struct worker *worker = data;

    return atomic_load(&worker->over);
}

/* What the work was to be, at which instant. */
static void expect_good(const struct work *work, bool good, const char *thread, unsigned stops)
{
    if (!good)
        fail_msg("killed at stop %u of thread %s: %s", stops, thread ? thread : "main", work->said);
}

/* Has a client work while the daemon's thread is killed at its stop number `stops`. The number of
 * stops that there were before that, or in all. */
static unsigned kill_at(struct lobby *lobby, struct work_marks *marks, const char *thread,
                        unsigned stops)
{
    struct worker worker = {.over = false};
    struct syscall_trap trap;
    unsigned starts;
    bool killed;

    /* The end of a daemon that hands over does not count as a crash, and ends a row of those. */
    assert_true(keeper_restart(lobby->keeper));
    starts = keeper_starts(lobby->keeper);
    expect_good(&worker.work, work_begin(&worker.work, lobby->world), thread, stops);
    assert_int_equal(syscall_trap_set(&trap, keeper_pid(lobby->keeper), thread), 0);
    assert_int_equal(pthread_create(&worker.thread, NULL, run, &worker), 0);
    killed = syscall_trap_kill(&trap, stops, is_over, &worker);
    pthread_join(worker.thread, NULL);
    expect_good(&worker.work, worker.work.said[0] == '\0', thread, stops);
    expect_good(&worker.work, work_check(&worker.work, marks), thread, stops);
    assert_true(worker.work.lost <= (killed ? 1 : 0));
    work_end(&worker.work);
    if (killed)
        assert_true(keeper_await_ready(lobby->keeper, starts + 1));
    assert_int_equal(keeper_starts(lobby->keeper), starts + (killed ? 1 : 0));
    assert_true(keeper_await_kept(lobby->keeper, "c", 0));
    return trap.stops;
}

/* Which instants of so many are tried, in which order. */
static unsigned choose(unsigned number, unsigned stops, GRand *random)
{
    if (each)
        return number < stops ? number + 1 : 0;
    return number < SAMPLE ? (unsigned)g_rand_int_range(random, 1, (gint32)stops + 1) : 0;
}

static void kill_at_instants(struct world *world, const char *thread)
{
    const char *text = world_env("TABRMD_TEST_SEED", "");
    guint32 seed = *text ? (guint32)g_ascii_strtoull(text, NULL, 10) : g_random_int();
    GRand *random = g_rand_new_with_seed(seed);
    struct work_marks marks = {.counter = 1};
    unsigned stops, at;
    struct lobby lobby;

    /* The daemon hides from others of its user. */
    if (geteuid() != 0)
        skip();
    work_make_counter(world);
    lobby_open(&lobby, world, KEPT_MAX);
    stops = kill_at(&lobby, &marks, thread, UINT_MAX);
    print_message("thread %s, %u stops, TABRMD_TEST_SEED=%u\n", thread ? thread : "main", stops,
                  seed);
    for (unsigned i = 0; (at = choose(i, stops, random)) != 0; i++)
        kill_at(&lobby, &marks, thread, at);
    lobby_close(&lobby);
    assert_true(world_chip_empty(world));
    g_rand_free(random);
}

static void test_a_daemon_that_is_killed_in_its_engine_is_gone_on_with(void **state)
{
    kill_at_instants(*state, "engine");
}

static void test_a_daemon_that_is_killed_in_its_main_thread_is_gone_on_with(void **state)
{
    kill_at_instants(*state, NULL);
}

#define calls_test(function) \
    cmocka_unit_test_setup_teardown(function, lobby_make_world, lobby_end_world)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        calls_test(test_a_daemon_that_is_killed_in_its_engine_is_gone_on_with),
        calls_test(test_a_daemon_that_is_killed_in_its_main_thread_is_gone_on_with),
    };

    each = argc > 1 && strcmp(argv[1], "each") == 0;
    return cmocka_run_group_tests_name("endurance-calls", tests, NULL, NULL);
}
