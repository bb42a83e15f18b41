/* SPDX-License-Identifier: BSD-2-Clause */
#include "deaths.h"

#include "chance.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Descriptors that are kept, as in the service's unit. */
#define KEPT_MAX 1152

/* What a daemon lives, and by how much now and then longer, in milliseconds and times. */
#define LIFE_LEAST_MS  500
#define LIFE_MORE_MS   2500
#define LIFE_LONGER    6
#define LIFE_LONG_RATE 16

/* Between the word to hand over and the kill that comes in between. */
#define CUT_MS 400

/* What is kept beside connections: the listening socket and a journal. */
#define KEPT_OTHERS 2

bool deaths_start(struct deaths *deaths, struct world *world, uint64_t seed)
{
    char *log = world_path(world, "daemon.log"), **argv = world_daemon_argv(world);

    *deaths = (struct deaths){.world = world, .chance = chance_seed(~seed)};
    deaths->keeper = keeper_new(&(struct keeper_setup){.directory = world->dir,
                                                       .argv = (const char *const *)argv,
                                                       .env = world->setup.env,
                                                       .log = log,
                                                       .max = KEPT_MAX});
    g_strfreev(argv);
    g_free(log);
    return deaths->keeper && keeper_start(deaths->keeper);
}

static void wait_us(uint64_t us)
{
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    nanosleep(&time, NULL);
}

void deaths_wait(struct deaths *deaths)
{
    uint64_t us = LIFE_LEAST_MS * 1000 + chance_below(&deaths->chance, LIFE_MORE_MS * 1000);

    deaths->lived_long = chance_below(&deaths->chance, LIFE_LONG_RATE) == 0;
    deaths->starts = keeper_starts(deaths->keeper);
    wait_us(deaths->lived_long ? us * LIFE_LONGER : us);
}

/* The last daemon ended of this signal, or of that one. */
static bool ended_of(const struct deaths *deaths, int one, int other)
{
    int status = keeper_status(deaths->keeper);

    if (status == 128 + one || status == 128 + other)
        return true;
    printf("# daemon %u ended with status %d\n", keeper_starts(deaths->keeper) - 1, status);
    return false;
}

static bool hand_over(struct deaths *deaths)
{
    deaths->hand_overs++;
    deaths->killed = false;
    return keeper_restart(deaths->keeper) && ended_of(deaths, SIGUSR1, SIGUSR1);
}

static bool die(struct deaths *deaths)
{
    bool cut = chance_below(&deaths->chance, 4) == 0;

    deaths->kills += !cut;
    deaths->cut += cut;
    deaths->killed = true;
    if (cut) {
        keeper_signal(deaths->keeper, SIGUSR1);
        wait_us(chance_below(&deaths->chance, CUT_MS * 1000));
    }
    return keeper_kill(deaths->keeper, SIGKILL)
           && ended_of(deaths, SIGKILL, cut ? SIGUSR1 : SIGKILL);
}

bool deaths_next(struct deaths *deaths)
{
    if (keeper_starts(deaths->keeper) != deaths->starts) {
        printf("# daemon %u ended by itself, with status %d\n", deaths->starts,
               keeper_status(deaths->keeper));
        return false;
    }
    return deaths->killed ? hand_over(deaths) : die(deaths);
}

/* The daemon's connections as it lists them, or -1. */
static int count_connections(const struct world *world)
{
    GVariant *reply = g_dbus_connection_call_sync(
        world->bus, "com.intel.tss2.Tabrmd", "/org/tabrmd/Manager", "org.tabrmd.Manager1",
        "ListConnections", NULL, G_VARIANT_TYPE("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, WORLD_START_MS,
        NULL, NULL);
    GVariant *list;
    int count;

    if (!reply)
        return -1;
    list = g_variant_get_child_value(reply, 0);
    count = (int)g_variant_n_children(list);
    g_variant_unref(list);
    g_variant_unref(reply);
    return count;
}

static bool is_kept_right(void *argument)
{
    const struct deaths *deaths = argument;
    unsigned kept = keeper_kept(deaths->keeper, "c"), all = keeper_kept(deaths->keeper, NULL);

    return all == kept + KEPT_OTHERS && keeper_kept(deaths->keeper, "l") == 1
           && count_connections(deaths->world) == (int)kept;
}

bool deaths_are_kept_right(struct deaths *deaths)
{
    deaths->looks++;
    if (world_poll(is_kept_right, deaths, WORLD_START_MS))
        return true;
    printf("# of %d connections %u sockets are kept, %u descriptors in all\n",
           count_connections(deaths->world), keeper_kept(deaths->keeper, "c"),
           keeper_kept(deaths->keeper, NULL));
    return false;
}

bool deaths_left_nothing(struct deaths *deaths)
{
    return keeper_await_kept(deaths->keeper, "c", 0) && deaths_are_kept_right(deaths)
           && keeper_kept(deaths->keeper, NULL) == KEPT_OTHERS
           && keeper_refused(deaths->keeper) == 0 && keeper_strangers(deaths->keeper) == 0;
}

bool deaths_were_outlived(const struct deaths *deaths)
{
    static const char *const signs[] = {
        "left cannot be used", /* what a former daemon did */
        "in a row",            /* daemons died */
        "may have died of",
        "nothing is kept",
        "end with this daemon",
    };
    char *log = world_daemon_log(deaths->world);
    bool outlived = true;

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        const char *found = strstr(log, signs[i]);

        if (!found)
            continue;
        printf("# a daemon says \"%s\"\n", signs[i]);
        outlived = false;
    }
    g_free(log);
    return outlived;
}

int deaths_stop(struct deaths *deaths)
{
    return keeper_stop(deaths->keeper);
}

void deaths_free(struct deaths *deaths)
{
    keeper_free(deaths->keeper);
    deaths->keeper = NULL;
}
