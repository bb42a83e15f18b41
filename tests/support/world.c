/* SPDX-License-Identifier: BSD-2-Clause */
#include "world.h"

#include "chip-view.h"
#include "swtpm-ctrl.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUS_NAME    "com.intel.tss2.Tabrmd"
#define OBJECT_PATH "/com/intel/tss2/Tabrmd/Tcti"
#define INTERFACE   "com.intel.tss2.TctiTabrmd"

const char *world_env(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

const char *world_peer_daemon(void)
{
    return world_env("TABRMD_TEST_PEER_DAEMON", "/usr/sbin/tpm2-abrmd");
}

const char *world_peer_libdir(void)
{
    return world_env("TABRMD_TEST_PEER_LIBDIR", TEST_MULTIARCH_LIBDIR);
}

/* A user in a group of its name, which is the socket's. */
#define WORLD_MEMBER_NAME "tss"

static const struct {
    const char *name, *option, *tcti;
} variants[] = {
    [WORLD_USUAL] = {.name = ""},
    [WORLD_IDLE_AT_ONCE] = {.name = "idle-at-once", .option = "--idle-release=0"},
    [WORLD_NEVER_IDLE] = {.name = "never-idle", .option = "--idle-release=never"},
    [WORLD_TWO_SLOTS] = {.name = "two-slots", .tcti = ",fewer=1"},
    [WORLD_MEMBER] = {.name = "member", .option = "--policy=standard"},
    [WORLD_GUARDED] = {.name = "guarded", .option = "--policy=guarded"},
};

/* False for a value that is no variant. */
static bool find_variant(enum world_variant *variant)
{
    const char *name = world_env("TABRMD_TEST_VARIANT", "");

    for (*variant = WORLD_USUAL; *variant < WORLD_VARIANTS; ++*variant)
        if (strcmp(variants[*variant].name, name) == 0)
            return true;
    *variant = WORLD_USUAL;
    return false;
}

enum world_variant world_variant(void)
{
    enum world_variant variant;

    (void)find_variant(&variant);
    return variant;
}

const char *world_variant_option(void)
{
    return variants[world_variant()].option;
}

const char *world_member(void)
{
    const enum world_variant variant = world_variant();

    if ((variant != WORLD_MEMBER && variant != WORLD_GUARDED) || geteuid() != 0)
        return NULL;
    return getpwnam(WORLD_MEMBER_NAME) && getgrnam(WORLD_MEMBER_NAME) ? WORLD_MEMBER_NAME : NULL;
}

unsigned world_slots(void)
{
    return world_variant() == WORLD_TWO_SLOTS ? WORLD_SLOTS - 1 : WORLD_SLOTS;
}

char *world_path(const struct world *world, const char *name)
{
    return g_build_filename(world->dir, name, NULL);
}

char *world_client_conf(void)
{
    return g_strdup_printf("%s:bus_type=session",
                           world_env("TABRMD_TEST_CLIENT", TEST_CLIENT_LIBRARY));
}

bool world_poll(bool (*check)(void *argument), void *argument, int ms)
{
    const struct timespec pause = {0, 5 * 1000 * 1000};
    gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;

    while (!check(argument)) {
        if (g_get_monotonic_time() > end)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static bool start(struct world *world, struct process *process, const char *const *argv,
                  const char *const *env, const char *log)
{
    char *path = world_path(world, log);
    struct process_setup setup = {.argv = argv, .env = env, .out = path, .err = path};
    bool started = process_start(process, &setup);

    if (!started)
        fprintf(stderr, "world: cannot start %s: %s\n", argv[0], strerror(errno));
    g_free(path);
    return started;
}

static bool swtpm_ready(void *argument)
{
    struct world *world = argument;
    char *ctrl = world_path(world, "ctrl");
    bool ready = !process_running(&world->swtpm) || swtpm_ctrl_answers(ctrl);

    g_free(ctrl);
    return ready;
}

static bool start_swtpm(struct world *world)
{
    char *state = g_strdup_printf("dir=%s/state", world->dir);
    char *server = g_strdup_printf("type=unixio,path=%s/server", world->dir);
    char *ctrl = g_strdup_printf("type=unixio,path=%s/ctrl", world->dir);
    const char *argv[] = {"swtpm",
                          "socket",
                          "--tpmstate",
                          state,
                          "--server",
                          server,
                          "--ctrl",
                          ctrl,
                          "--flags",
                          TEST_SWTPM_FLAGS,
                          world->setup.tpm12 ? NULL : "--tpm2",
                          NULL};
    char *state_dir = world_path(world, "state");
    bool ready;

    ready = mkdir(state_dir, 0700) == 0 && start(world, &world->swtpm, argv, NULL, "swtpm.log")
            && world_poll(swtpm_ready, world, WORLD_START_MS) && process_running(&world->swtpm);
    if (!ready)
        fprintf(stderr, "world: swtpm does not answer; is the package swtpm installed?\n");
    g_free(state_dir);
    g_free(ctrl);
    g_free(server);
    g_free(state);
    return ready;
}

static bool write_bus_config(const struct world *world, const char *path)
{
    char *text = g_strdup_printf(
        "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'\n"
        " 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n"
        "<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>\n"
        "<policy context='default'><allow send_destination='*' eavesdrop='true'/>\n"
        "<allow eavesdrop='true'/><allow own='*'/>%s</policy></busconfig>\n",
        world->address,
        world->setup.bus_rules ? world->setup.bus_rules
        : world_member()       ? "<allow user='*'/>"
                               : "");
    bool written = g_file_set_contents(path, text, -1, NULL);

    g_free(text);
    return written;
}

static bool bus_ready(void *argument)
{
    struct world *world = argument;

    if (!process_running(&world->bus_daemon))
        return true;
    world->bus =
        g_dbus_connection_new_for_address_sync(world->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    return world->bus != NULL;
}

static bool start_bus(struct world *world)
{
    char *path = world_path(world, "bus.conf");
    char *option = g_strdup_printf("--config-file=%s", path);
    const char *argv[] = {"dbus-daemon", option, "--nofork", "--nopidfile", NULL};
    bool ready;

    world->address = g_strdup_printf("unix:path=%s/bus", world->dir);
    ready = write_bus_config(world, path) && start(world, &world->bus_daemon, argv, NULL, "bus.log")
            && world_poll(bus_ready, world, WORLD_START_MS) && world->bus;
    if (ready)
        setenv("DBUS_SESSION_BUS_ADDRESS", world->address, 1);
    else
        fprintf(stderr, "world: the private bus does not answer; is dbus-daemon installed?\n");
    g_free(option);
    g_free(path);
    return ready;
}

bool world_name_owned(const struct world *world, const char *name)
{
    GVariant *reply = g_dbus_connection_call_sync(
        world->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "NameHasOwner", g_variant_new("(s)", name), G_VARIANT_TYPE("(b)"), G_DBUS_CALL_FLAGS_NONE,
        WORLD_START_MS, NULL, NULL);
    gboolean owned = FALSE;

    if (reply) {
        g_variant_get(reply, "(b)", &owned);
        g_variant_unref(reply);
    }
    return owned;
}

/* Any path of a GDBus program can be introspected; what is there says its interfaces. */
static bool object_there(const struct world *world)
{
    GVariant *reply = g_dbus_connection_call_sync(
        world->bus, BUS_NAME, OBJECT_PATH, "org.freedesktop.DBus.Introspectable", "Introspect",
        NULL, G_VARIANT_TYPE("(s)"), G_DBUS_CALL_FLAGS_NONE, WORLD_START_MS, NULL, NULL);
    const char *xml = "";
    bool there;

    if (!reply)
        return false;
    g_variant_get(reply, "(&s)", &xml);
    there = strstr(xml, "\"" INTERFACE "\"") != NULL;
    g_variant_unref(reply);
    return there;
}

/* Ours owns its name when it serves; another daemon may own it before its object is there. */
static bool daemon_ready(void *argument)
{
    struct world *world = argument;

    if (!process_running(&world->daemon))
        return true;
    return world_name_owned(world, BUS_NAME) && (!world->setup.daemon || object_there(world));
}

char **world_daemon_argv(const struct world *world)
{
    const char *const own[] = {"--session", "--allow-root", NULL};
    const char *variant = world->setup.daemon ? NULL : world_variant_option();
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv,
                    g_strdup(world->setup.daemon ? world->setup.daemon
                                                 : world_env("TABRMD_TEST_DAEMON", TEST_DAEMON)));
    if (!world->setup.daemon)
        g_ptr_array_add(argv, g_strdup(WORLD_NO_CONFIG));
    for (size_t i = 0; own[i]; i++)
        g_ptr_array_add(argv, g_strdup(own[i]));
    g_ptr_array_add(argv, g_strdup_printf("--tcti=%s", world->tcti));
    for (size_t i = 0; world->setup.args && world->setup.args[i]; i++)
        g_ptr_array_add(argv, g_strdup(world->setup.args[i]));
    g_ptr_array_add(argv, g_strdup(variant));
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}

bool world_start_daemon(struct world *world)
{
    char **argv = world_daemon_argv(world);
    bool ready =
        start(world, &world->daemon, (const char *const *)argv, world->setup.env, "daemon.log")
        && world_poll(daemon_ready, world, WORLD_START_MS) && process_running(&world->daemon);

    if (!ready) {
        char *log = world_daemon_log(world);

        fprintf(stderr, "world: %s does not come up; it said:\n%s", argv[0], log);
        g_free(log);
    }
    g_strfreev(argv);
    return ready;
}

int world_stop_daemon(struct world *world)
{
    return process_end(&world->daemon, WORLD_END_MS) ? process_exit_status(&world->daemon) : -1;
}

void world_kill_daemon(struct world *world)
{
    process_signal(&world->daemon, SIGKILL);
    process_wait(&world->daemon, -1);
}

char *world_daemon_log(const struct world *world)
{
    char *path = world_path(world, "daemon.log"), *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        text = g_strdup("");
    g_free(path);
    return text;
}

bool world_set_faults(const struct world *world, const char *script)
{
    char *path = world_path(world, "faults");
    bool written = g_file_set_contents(path, script, -1, NULL);

    g_free(path);
    return written;
}

int world_chip_handles(const struct world *world, uint32_t first, uint32_t *handles, size_t max)
{
    char *server = world_path(world, "server");
    int count = chip_view_handles(server, first, handles, max);

    g_free(server);
    return count;
}

bool world_chip_empty(const struct world *world)
{
    static const uint32_t kinds[] = {0x80000000, 0x02000000, 0x03000000};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint32_t handle;
        int count = world_chip_handles(world, kinds[i], &handle, 1);

        if (count != 0) {
            fprintf(stderr, "world: the chip holds 0x%08X or does not tell (%d)\n",
                    count > 0 ? handle : kinds[i], count);
            return false;
        }
    }
    return true;
}

bool world_power_cycle(const struct world *world)
{
    char *ctrl = world_path(world, "ctrl");
    int64_t result = swtpm_ctrl_power_cycle(ctrl);

    g_free(ctrl);
    return result == 0;
}

/* The loader string of the counting TCTI, and the tables that it counts in. False with errno. */
static bool configure_tcti(struct world *world)
{
    char *counts = world_path(world, "counts"), *refused = world_path(world, "refused");
    GString *conf = g_string_new(world_env("TABRMD_TEST_COUNTING", TEST_COUNTING));
    bool usual = world->setup.daemon || world->setup.all_slots;
    const char *fewer = usual ? NULL : variants[world_variant()].tcti;
    bool neighbour = world->setup.neighbour;

    g_string_append_printf(conf, ":server=%s/server,ctrl=%s/ctrl,counts=%s,faults=%s/faults%s",
                           world->dir, world->dir, counts, world->dir, fewer ? fewer : "");
    if (neighbour)
        g_string_append_printf(conf, ",wants=%s,neighbour=%s", world->setup.neighbour, refused);
    if (world->setup.tcti)
        g_string_append_printf(conf, ",%s", world->setup.tcti);
    world->tcti = g_string_free(conf, FALSE);
    world->counts = counts_open(counts);
    world->refused = neighbour ? counts_open(refused) : NULL;
    g_free(counts);
    g_free(refused);
    return world->counts && (world->refused || !neighbour);
}

/* What programs that run as somebody else find in the world, and may change there. */
static bool let_member_in(const struct world *world, const char *work)
{
    const struct passwd *member = world_member() ? getpwnam(world_member()) : NULL;

    return !member
           || (chmod(world->dir, 0711) == 0 && chown(work, member->pw_uid, member->pw_gid) == 0);
}

static bool start_all(struct world *world)
{
    char *work = world_path(world, "work");
    bool ready = false;

    if (!configure_tcti(world) || mkdir(work, 0700) < 0 || !let_member_in(world, work))
        fprintf(stderr, "world: %s: %s\n", world->dir, strerror(errno));
    else
        ready = start_swtpm(world) && start_bus(world)
                && (world->setup.no_daemon || world_start_daemon(world));
    g_free(work);
    return ready;
}

struct world *world_new(const struct world_setup *setup)
{
    struct world *world = g_new0(struct world, 1);
    enum world_variant variant;

    if (!find_variant(&variant)) {
        fprintf(stderr,
                "world: TABRMD_TEST_VARIANT=%s: there are idle-at-once, never-idle, "
                "two-slots, member and guarded\n",
                world_env("TABRMD_TEST_VARIANT", ""));
        g_free(world);
        return NULL;
    }
    if (setup)
        world->setup = *setup;
    strcpy(world->dir, "/tmp/tabrmd-test.XXXXXX");
    if (!mkdtemp(world->dir)) {
        fprintf(stderr, "world: %s: %s\n", world->dir, strerror(errno));
        world->dir[0] = '\0';
        world_free(world);
        return NULL;
    }
    if (!start_all(world)) {
        world_free(world);
        return NULL;
    }
    return world;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* Ends the daemon and judges what it said and how it ended. */
static bool end_daemon(struct world *world)
{
    static const char *const signs[] = {"AddressSanitizer", "LeakSanitizer",
                                        "runtime error:", "ThreadSanitizer"};
    char *log;
    bool good = true;

    if (process_running(&world->daemon)) {
        int status = world_stop_daemon(world);

        good = status == 0;
        if (!good)
            fprintf(stderr, "world: the daemon ended with status %d on SIGTERM\n", status);
    }
    log = world_daemon_log(world);
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        good = good && !strstr(log, signs[i]);
    if (!good)
        fprintf(stderr, "world: the daemon's log:\n%s", log);
    g_free(log);
    return good;
}

bool world_free(struct world *world)
{
    bool good;

    if (!world)
        return true;
    good = world->dir[0] == '\0' || end_daemon(world);
    if (world->bus) {
        g_dbus_connection_close_sync(world->bus, NULL, NULL);
        g_object_unref(world->bus);
    }
    process_end(&world->bus_daemon, WORLD_END_MS);
    process_end(&world->swtpm, WORLD_END_MS);
    counts_close(world->counts);
    counts_close(world->refused);
    if (world->dir[0])
        nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_free(world->address);
    g_free(world->tcti);
    g_free(world);
    return good;
}
