/* SPDX-License-Identifier: BSD-2-Clause */
#include "lobby.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

int lobby_make_world(void **state)
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

int lobby_end_world(void **state)
{
    char *path = service_path();

    unlink(path);
    rmdir(services);
    g_free(path);
    return suite_end_world(state);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

void lobby_open(struct lobby *lobby, struct world *world, unsigned max)
{
    const char *argv[8] = {world_env("TABRMD_TEST_DAEMON", TEST_DAEMON), WORLD_NO_CONFIG,
                           "--session", "--allow-root"};
    const char *const env[] = {NULL};
    struct keeper_setup setup = {
        .directory = world->dir, .argv = argv, .env = env, .max = max, .named = "tabrmd.socket"};

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

void lobby_close(struct lobby *lobby)
{
    assert_int_equal(keeper_stop(lobby->keeper), 0);
    keeper_free(lobby->keeper);
    close(lobby->listener);
    g_free(lobby->socket);
    g_free(lobby->log);
    g_free(lobby->tcti);
}
