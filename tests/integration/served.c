/* SPDX-License-Identifier: BSD-2-Clause */
#include "served.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

/* What the daemon of the test's one world is given. The world borrows it. */
static char served_directory[64];
static const char *const served_env[] = {served_directory, NULL};
static const char *const served_args[] = {"--idle-release=never", NULL};

static int make(void **state, const char *const *args, bool start)
{
    struct world *world = world_new(&(struct world_setup){
        .args = args, .env = served_env, .bus_rules = "<allow user='*'/>", .no_daemon = true});
    char *directory = world ? world_path(world, "run") : NULL;
    bool made = false;

    *state = world;
    if (directory) {
        snprintf(served_directory, sizeof(served_directory), "RUNTIME_DIRECTORY=%s", directory);
        made = mkdir(directory, 0755) == 0 && (!start || world_start_daemon(world));
    }
    g_free(directory);
    if (made)
        return 0;
    world_free(world);
    *state = NULL;
    return -1;
}

int served_world(void **state)
{
    return make(state, served_args, true);
}

int served_empty_world(void **state)
{
    return make(state, served_args, false);
}

int served_empty_world_with(void **state, const char *const *args)
{
    return make(state, args, false);
}

int served_world_with(void **state, const char *const *args)
{
    return make(state, args, true);
}

char *served_socket(const struct world *world)
{
    return world_path(world, "run/tcti.sock");
}

char *served_conf(const struct world *world, enum served_way way)
{
    char *socket = served_socket(world), *conf;

    if (way == SERVED_BUS)
        conf = world_client_conf();
    else
        conf = g_strdup_printf("%s:socket=%s", world_env("TABRMD_TEST_CLIENT", TEST_CLIENT_LIBRARY),
                               socket);
    g_free(socket);
    return conf;
}

struct esys_client *served_client(const struct world *world, enum served_way way, TSS2_RC *rc)
{
    char *conf = served_conf(world, way);
    TSS2_RC result;
    struct esys_client *client = esys_client_open(conf, &result);

    if (rc)
        *rc = result;
    g_free(conf);
    return client;
}

struct raw_client *served_raw_client(const struct world *world)
{
    char *socket = served_socket(world);
    struct raw_client *raw = raw_client_connect(socket);

    g_free(socket);
    return raw;
}

static bool socket_answers(void *argument)
{
    struct world *world = argument;
    struct raw_client *raw = process_running(&world->daemon) ? served_raw_client(world) : NULL;
    bool answers = raw != NULL;

    raw_client_free(raw);
    return answers || !process_running(&world->daemon);
}

bool served_start_without_bus(struct world *world, const char *log)
{
    char *tcti = g_strdup_printf("--tcti=%s", world->tcti);
    const char *argv[] = {world_env("TABRMD_TEST_DAEMON", TEST_DAEMON),
                          "--no-dbus",
                          WORLD_NO_CONFIG,
                          "--allow-root",
                          tcti,
                          world_variant_option(),
                          NULL};
    struct process_setup setup = {.argv = argv, .env = served_env, .out = log, .err = log};
    bool ready = process_start(&world->daemon, &setup)
                 && world_poll(socket_answers, world, WORLD_START_MS)
                 && process_running(&world->daemon);

    g_free(tcti);
    return ready;
}

/* The program's command line, as the kernel has it, in *text (g_free()) and `argv`. */
static bool command_line(pid_t pid, char **text, const char **argv, size_t max)
{
    char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    gsize length = 0, count = 0;
    bool read = g_file_get_contents(path, text, &length, NULL);

    for (gsize at = 0; read && at < length && count + 1 < max; at += strlen(*text + at) + 1)
        argv[count++] = *text + at;
    argv[count] = NULL;
    g_free(path);
    return count > 0;
}

/* A socket that a killed program left is in the way of the next one. */
static void remove_sockets(const struct world *world, const struct process *process)
{
    static const char *const swtpm[] = {"server", "ctrl", NULL}, *const bus[] = {"bus", NULL};

    for (const char *const *name = process == &world->swtpm ? swtpm : bus; *name; name++) {
        char *path = world_path(world, *name);

        unlink(path);
        g_free(path);
    }
}

bool served_restart(struct world *world, struct process *process, const char *log)
{
    char *text = NULL, *path = world_path(world, log);
    const char *argv[24];
    struct process_setup setup = {.argv = argv, .out = path, .err = path};
    bool started = command_line(process->pid, &text, argv, sizeof(argv) / sizeof(argv[0]));

    if (started) {
        process_signal(process, SIGKILL);
        process_wait(process, -1);
        remove_sockets(world, process);
        started = process_start(process, &setup);
    }
    g_free(path);
    g_free(text);
    return started;
}

bool served_freeze(const struct process *process)
{
    siginfo_t info;

    return kill(process->pid, SIGSTOP) == 0
           && waitid(P_PID, (id_t)process->pid, &info, WSTOPPED | WEXITED | WNOWAIT) == 0
           && info.si_code == CLD_STOPPED;
}

static bool bus_answers(void *argument)
{
    struct world *world = argument;

    world->bus =
        g_dbus_connection_new_for_address_sync(world->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    return world->bus != NULL;
}

bool served_rejoin_bus(struct world *world)
{
    g_clear_object(&world->bus);
    return world_poll(bus_answers, world, WORLD_START_MS);
}

struct awaited {
    const struct world *world;
    const struct counts *before;
    uint32_t code;
    uint64_t count;
};

static bool chip_got_it(void *argument)
{
    const struct awaited *awaited = argument;
    struct counts now;

    counts_read(awaited->world->counts, &now);
    return (awaited->code ? counts_between(awaited->before, &now, awaited->code)
                          : counts_total_between(awaited->before, &now))
           >= awaited->count;
}

bool served_await_chip(const struct world *world, const struct counts *before, uint32_t code,
                       uint64_t count)
{
    struct awaited awaited = {world, before, code, count};

    return world_poll(chip_got_it, &awaited, WORLD_START_MS);
}
