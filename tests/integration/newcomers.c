/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that is killed while it lets somebody in, in each instant of that: when one of its
 * threads goes into a system call, or comes out of it. Somebody listens for it, as systemd does,
 * and starts it again; so the newcomer gets in.
 */
#include "keeper.h"
#include "served.h"
#include "syscall-trap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

/* Where the bus of the test's one world finds a service file. */
static char services[] = "/tmp/newcomers.XXXXXX";

/* The bus waits for the daemon, as where systemd starts it for a call: what it starts itself does
 * nothing, and has ended well. */
static const char service_file[] = "[D-BUS Service]\nName=com.intel.tss2.Tabrmd\nExec=/bin/true\n";

static char *service_path(void)
{
    return g_build_filename(services, "com.intel.tss2.Tabrmd.service", NULL);
}

static int make_world(void **state)
{
    static char rules[128]; /* the world borrows it */
    char *path, *run;
    struct world *world;
    bool made;

    strcpy(services + sizeof(services) - 7, "XXXXXX");
    if (!g_mkdtemp(services))
        return -1;
    path = service_path();
    snprintf(rules, sizeof(rules), "</policy><servicedir>%s</servicedir><policy context='default'>",
             services);
    world = world_new(&(struct world_setup){.bus_rules = rules, .no_daemon = true});
    run = world ? world_path(world, "run") : NULL;
    made = run && mkdir(run, 0755) == 0 && g_file_set_contents(path, service_file, -1, NULL);
    g_free(run);
    g_free(path);
    *state = world;
    return made ? 0 : -1;
}

static int end_world(void **state)
{
    char *path = service_path();

    unlink(path);
    rmdir(services);
    g_free(path);
    return suite_end_world(state);
}

/* A world with a socket that nobody but the daemons listen at, and who starts them. */
struct lobby {
    struct world *world;
    char *socket, *tcti, *log;
    int listener;
    struct keeper *keeper;
};

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void open_lobby(struct lobby *lobby, struct world *world)
{
    const char *argv[8] = {world_env("TABRMD_TEST_DAEMON", TEST_DAEMON), WORLD_NO_CONFIG,
                           "--session", "--allow-root"};
    const char *const env[] = {NULL};
    struct keeper_setup setup = {
        .directory = world->dir, .argv = argv, .env = env, .named = "tabrmd.socket"};

    *lobby = (struct lobby){.world = world};
    lobby->socket = served_socket(world);
    lobby->log = world_path(world, "daemon.log");
    lobby->tcti = g_strdup_printf("--tcti=%s", world->tcti);
    lobby->listener = listen_at(lobby->socket);
    argv[4] = lobby->tcti;
    argv[5] = world_variant_option();
    setup.log = lobby->log;
    setup.listening = lobby->listener;
    lobby->keeper = keeper_new(&setup);
    assert_non_null(lobby->keeper);
    assert_true(keeper_start(lobby->keeper));
}

static void close_lobby(struct lobby *lobby)
{
    assert_int_equal(keeper_stop(lobby->keeper), 0);
    keeper_free(lobby->keeper);
    close(lobby->listener);
    g_free(lobby->socket);
    g_free(lobby->log);
    g_free(lobby->tcti);
}

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
    open_lobby(&lobby, world);
    while (killed) {
        struct newcomer newcomer = {.conf = served_conf(world, way)};

        killed = let_in(&lobby, &newcomer, thread, ++stops);
        served += is_served(&newcomer);
        Tss2_TctiLdr_Finalize(&newcomer.tcti);
        g_free(newcomer.conf);
    }
    assert_in_range(served, 1, stops);
    close_lobby(&lobby);
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

#define newcomers_test(function) cmocka_unit_test_setup_teardown(function, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        newcomers_test(test_a_daemon_that_is_killed_at_its_socket_lets_in_all_the_same),
        newcomers_test(test_a_daemon_that_is_killed_at_the_bus_lets_in_all_the_same),
        newcomers_test(test_a_daemon_that_is_killed_between_bus_and_engine_lets_in),
    };

    return cmocka_run_group_tests_name("newcomers", tests, NULL, NULL);
}
