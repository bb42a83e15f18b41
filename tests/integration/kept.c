/* SPDX-License-Identifier: BSD-2-Clause */
#include "kept.h"

#include <stdio.h>

static int make(void **state, const char *const *args, unsigned max, bool start)
{
    struct kept *kept = g_new0(struct kept, 1);
    void *world = NULL;

    *state = kept;
    if (served_empty_world_with(&world, args) == 0) {
        char *log, **argv;

        kept->world = world;
        log = world_path(kept->world, "daemon.log");
        argv = world_daemon_argv(kept->world);
        kept->keeper = keeper_new(&(struct keeper_setup){.directory = kept->world->dir,
                                                         .argv = (const char *const *)argv,
                                                         .env = kept->world->setup.env,
                                                         .log = log,
                                                         .max = max});
        g_strfreev(argv);
        g_free(log);
    }
    if (kept->keeper && (!start || keeper_start(kept->keeper)))
        return 0;
    kept_end_world(state);
    return -1;
}

static const char *const usual_args[] = {"--idle-release=never", NULL};

int kept_world(void **state)
{
    return make(state, usual_args, KEPT_MAX, true);
}

int kept_empty_world(void **state)
{
    return make(state, usual_args, KEPT_MAX, false);
}

int kept_world_with(void **state, const char *const *args, unsigned max)
{
    return make(state, args, max, true);
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
