/* SPDX-License-Identifier: BSD-2-Clause */
#include "kept.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The command line of the world's daemon, which is for the session bus. */
static char **daemon_argv(const struct world *world, bool system_bus)
{
    char **argv = world_daemon_argv(world);
    unsigned to = 0;

    for (unsigned from = 0; argv[from]; from++) {
        if (system_bus && g_str_equal(argv[from], "--session"))
            g_free(argv[from]);
        else
            argv[to++] = argv[from];
    }
    argv[to] = NULL;
    return argv;
}

static struct keeper *make_keeper(const struct world *world, const struct kept_setup *setup)
{
    char *log = world_path(world, "daemon.log"), **argv = daemon_argv(world, setup->system_bus);
    struct keeper *keeper = keeper_new(&(struct keeper_setup){.directory = world->dir,
                                                              .argv = (const char *const *)argv,
                                                              .env = world->setup.env,
                                                              .log = log,
                                                              .max = setup->max});

    g_strfreev(argv);
    g_free(log);
    return keeper;
}

int kept_world_as(void **state, const struct kept_setup *setup)
{
    struct kept *kept = g_new0(struct kept, 1);
    void *world = NULL;

    *state = kept;
    if (served_empty_world_with(&world, setup->args) == 0) {
        kept->world = world;
        if (setup->system_bus)
            setenv("DBUS_SYSTEM_BUS_ADDRESS", kept->world->address, 1);
        kept->keeper = make_keeper(world, setup);
    }
    if (kept->keeper && (setup->no_daemon || keeper_start(kept->keeper)))
        return 0;
    kept_end_world(state);
    return -1;
}

static const char *const usual_args[] = {"--idle-release=never", NULL};

int kept_world(void **state)
{
    return kept_world_as(state, &(struct kept_setup){.args = usual_args, .max = KEPT_MAX});
}

int kept_empty_world(void **state)
{
    return kept_world_as(
        state, &(struct kept_setup){.args = usual_args, .max = KEPT_MAX, .no_daemon = true});
}

int kept_world_with(void **state, const char *const *args, unsigned max)
{
    return kept_world_as(state, &(struct kept_setup){.args = args, .max = max});
}

void kept_begin_gap(const struct kept *kept)
{
    keeper_pause(kept->keeper, true);
    keeper_signal(kept->keeper, SIGKILL);
    assert_true(keeper_await_ended(kept->keeper));
}

void kept_end_gap(const struct kept *kept)
{
    unsigned next = keeper_starts(kept->keeper) + 1;

    keeper_pause(kept->keeper, false);
    assert_true(keeper_await_ready(kept->keeper, next));
}

void kept_expect_log(const struct kept *kept, const char *text)
{
    char *log = world_daemon_log(kept->world);

    if (!strstr(log, text))
        fail_msg("the log does not say \"%s\":\n%s", text, log);
    g_free(log);
}

static bool end_daemon(const struct kept *kept)
{
    int status;

    if (keeper_pid(kept->keeper) == 0)
        return true;
    status = keeper_stop(kept->keeper);
    if (status != 0)
        fprintf(stderr, "kept: the daemon ended with status %d on SIGTERM\n", status);
    return status == 0 && world_chip_empty(kept->world);
}

int kept_end_world(void **state)
{
    struct kept *kept = *state;
    bool good = !kept->keeper || end_daemon(kept);

    keeper_free(kept->keeper);
    /* The daemon's log is shown with what was wrong. */
    if (!good) {
        char *log = world_daemon_log(kept->world);

        fprintf(stderr, "kept: the daemon's log:\n%s", log);
        g_free(log);
    }
    good = world_free(kept->world) && good;
    g_free(kept);
    *state = NULL;
    return good ? 0 : -1;
}
