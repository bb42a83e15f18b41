/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The soak: 64 clients of many kinds on one daemon for as long as it is told, with faults from a
 * seed and beside attackers who are another user, and a verdict in TAP: that every answer was
 * right, that nobody hung or was kept waiting by the attackers, that memory and descriptors stayed
 * flat, and that the daemon ended well and left the chip empty.
 *
 *   soak SECONDS SEED [losses|deaths]
 *
 * With `losses` answers of the chip get lost and spoilt as well, and the chip loses its power now
 * and then: clients may be told then that a thing is gone, but still no answer may be wrong.
 *
 * With `deaths` the daemon is killed, or hands over to the next one, every few seconds, and there
 * are no attackers. No connection may end of that, what has an answer was done once, and what has
 * none once or not at all; neither the journal nor what the service manager keeps may grow.
 */
#include "attackers.h"
#include "deaths.h"
#include "fault-plan.h"
#include "tally.h"
#include "watch.h"
#include "world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PERIOD_MS 1500   /* of one script of faults */
#define LOOK_MS   250    /* between two looks at the daemon */
#define CUT_MS    20000  /* between two losses of power */
#define REPORTS   12     /* lines on the way */
#define FINISH_MS 120000 /* for the clients to end */

struct soak_run {
    struct world *world;
    struct process clients[SOAK_CLIENTS];
    struct attackers attackers;
    struct tally *tally;
    struct fault_plan plan;
    struct watch watch;
    struct deaths deaths;
    unsigned seconds;
    uint64_t seed;
    uint64_t cuts;
    const char *mode;
    bool lossy, deadly;
    unsigned points;
    bool good;
};

static char runtime_directory[64], asan_options[512];
static const char *const daemon_env[] = {runtime_directory, asan_options, NULL};
/* All clients are one user's. Of saved sessions few enough are kept that the clients' stay while
 * the attackers have as many as they may. */
static const char *const daemon_args[] = {"--max-sessions-per-user=64",
                                          "--max-abandoned-per-user=8", NULL};
/* Clients wait for the next daemon with a session saved, and those whose session ended leave more.
 */
static const char *const deaths_args[] = {"--max-abandoned-per-user=16", NULL};

static void point(struct soak_run *run, bool good, const char *what)
{
    printf("%sok %u - %s\n", good ? "" : "not ", ++run->points, what);
    fflush(stdout);
    run->good = run->good && good;
}

/* A sanitizer keeps freed memory for a while; a little of it, so that growth can be told. */
static void set_environment(const struct world *world)
{
    snprintf(runtime_directory, sizeof(runtime_directory), "RUNTIME_DIRECTORY=%s/run", world->dir);
    snprintf(asan_options, sizeof(asan_options), "ASAN_OPTIONS=%s:quarantine_size_mb=1",
             world_env("ASAN_OPTIONS", "detect_leaks=1"));
}

static bool start_world(struct soak_run *run)
{
    char *directory;
    bool started;

    run->world = world_new(&(struct world_setup){.args = run->deadly ? deaths_args : daemon_args,
                                                 .env = daemon_env,
                                                 .bus_rules = "<allow user='*'/>",
                                                 .no_daemon = true});
    /* The world's directory is its user's; here the attackers come to it. */
    if (!run->world || chmod(run->world->dir, 0711) < 0)
        return false;
    set_environment(run->world);
    directory = world_path(run->world, "run");
    started = mkdir(directory, 0755) == 0
              && (run->deadly ? deaths_start(&run->deaths, run->world, run->seed)
                              : world_start_daemon(run->world));
    g_free(directory);
    return started;
}

static bool start_client(struct soak_run *run, unsigned index, const char *tally)
{
    char *number = g_strdup_printf("%u", index), *seed = g_strdup_printf("%" PRIu64, run->seed);
    char *library = g_build_filename(world_env("TABRMD_TEST_TOOLS_LIBDIR", TEST_TOOLS_LIBDIR),
                                     "libtss2-tcti-tabrmd.so.0", NULL);
    char *socket = world_path(run->world, "run/tcti.sock");
    char *log = world_path(run->world, "clients.log");
    const char *const argv[] = {"nice", "-n",    SOAK_NICE, SOAK_CLIENT, number, seed,
                                tally,  library, socket,    run->mode,   NULL};
    static const char *const env[] = {"TSS2_LOG=all+NONE", NULL};
    struct process_setup setup = {.argv = argv, .env = env, .out = log, .err = log};
    bool started = process_start(&run->clients[index], &setup);

    g_free(log);
    g_free(socket);
    g_free(library);
    g_free(seed);
    g_free(number);
    return started;
}

static bool start_clients(struct soak_run *run)
{
    char *path = world_path(run->world, "tally");
    bool started;

    run->tally = tally_open(path);
    started = run->tally != NULL;
    for (unsigned i = 0; started && i < SOAK_CLIENTS; i++)
        started = start_client(run, i, path);
    if (!run->deadly)
        started = started && attackers_start(&run->attackers, run->world, run->seed, path);
    g_free(path);
    return started;
}

/* Whether all `count` of them run. */
static bool each_runs(struct process *processes, unsigned count, const char *what)
{
    for (unsigned i = 0; i < count; i++) {
        if (process_running(&processes[i]))
            continue;
        printf("# %s %u ended with status %d\n", what, i, process_exit_status(&processes[i]));
        return false;
    }
    return true;
}

/* All that ran still runs. */
static bool all_run(struct soak_run *run)
{
    return (run->deadly || each_runs(&run->world->daemon, 1, "daemon"))
           && each_runs(run->clients, SOAK_CLIENTS, "client")
           && each_runs(run->attackers.processes, run->attackers.count, "attacker");
}

static void report(const struct soak_run *run, gint64 ms)
{
    const struct tally *tally = run->tally;

    printf("# %6.1f s: %" PRIu64 " calls, %" PRIu64 " answers checked, %zu kB resident, %zu "
           "descriptors",
           (double)ms / 1000, tally_calls(tally), atomic_load(&tally->checks), run->watch.last_kb,
           watch_files(&run->watch));
    if (run->deadly)
        printf(", %u deaths, %zu kB of journal, %u descriptors kept",
               keeper_starts(run->deaths.keeper) - 1, run->watch.last_journal_kb,
               keeper_kept(run->deaths.keeper, NULL));
    printf("\n");
    fflush(stdout);
}

/* The first client that has done nothing so far, or SOAK_CLIENTS. */
static unsigned find_idle(const struct soak_run *run)
{
    unsigned i = 0;

    while (i < SOAK_CLIENTS && atomic_load(&run->tally->jobs[i]) > 0)
        i++;
    return i;
}

/* The time is over; each client has had time enough when it has got work done, and attackers when a
 * stretch is over. */
static bool is_over(const struct soak_run *run, gint64 now)
{
    gint64 length = (gint64)run->seconds * 1000;
    bool attacked = run->attackers.count == 0 || run->attackers.stretches > 0;

    return now >= length
           && ((attacked && find_idle(run) == SOAK_CLIENTS) || now >= length + FINISH_MS);
}

/* What happens until the next look. */
static bool wait_for_look(struct soak_run *run, double part)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};

    if (run->deadly) {
        bool good;

        deaths_wait(&run->deaths);
        watch_journal(&run->watch, part, run->deaths.lived_long);
        good = deaths_next(&run->deaths);
        run->watch.pid = keeper_pid(run->deaths.keeper);
        return good;
    }
    nanosleep(&pause, NULL);
    return true;
}

/* Runs until the time is over, or something ended that should not. */
static bool run_for_a_while(struct soak_run *run)
{
    gint64 start = g_get_monotonic_time() / 1000, length = (gint64)run->seconds * 1000, now = 0;
    gint64 period = 0, cut = CUT_MS, told = 0;

    while (!is_over(run, now)) {
        if (!all_run(run))
            return false;
        if (now >= period) {
            if (!fault_plan_next(&run->plan, run->world, false))
                return false;
            period += PERIOD_MS;
        }
        if (run->lossy && now >= cut) {
            if (!world_power_cycle(run->world))
                return false;
            run->cuts++;
            cut += CUT_MS / 2 + fault_plan_chance(&run->plan, CUT_MS);
        }
        attackers_look(&run->attackers, run->tally);
        watch_look(&run->watch, (double)now / (double)length);
        if (now >= told) {
            report(run, now);
            told += length / REPORTS;
            if (run->deadly && !deaths_are_kept_right(&run->deaths))
                return false;
        }
        if (!wait_for_look(run, (double)now / (double)length))
            return false;
        now = g_get_monotonic_time() / 1000 - start;
    }
    report(run, now);
    return all_run(run);
}

/* Waits for all `count` of them, until `end`. Whether all ended as they should. */
static bool each_ends(struct process *processes, unsigned count, const char *what, gint64 end)
{
    unsigned good = 0;

    for (unsigned i = 0; i < count; i++) {
        gint64 left = end - g_get_monotonic_time() / 1000;

        if (!process_wait(&processes[i], (int)MAX(left, 0))) {
            printf("# %s %u hangs\n", what, i);
            process_signal(&processes[i], SIGKILL);
            process_wait(&processes[i], -1);
        } else {
            good += process_exit_status(&processes[i]) == 0;
        }
    }
    return good == count;
}

/* Tells all to end, and waits. */
static bool end_all(struct soak_run *run)
{
    gint64 end = g_get_monotonic_time() / 1000 + FINISH_MS;
    bool good;

    atomic_store(&run->tally->stop, 1);
    good = each_ends(run->clients, SOAK_CLIENTS, "client", end);
    return each_ends(run->attackers.processes, run->attackers.count, "attacker", end) && good;
}

static void print_log(const struct soak_run *run, const char *name)
{
    char *path = world_path(run->world, name), *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL) && *text)
        fprintf(stderr, "%s:\n%s\n", name, text);
    g_free(text);
    g_free(path);
}

static uint64_t log_lines(const struct soak_run *run, const char *words)
{
    char *log = world_daemon_log(run->world);
    uint64_t count = 0;

    for (const char *at = log; (at = strstr(at, words)); at++)
        count++;
    g_free(log);
    return count;
}

/* What the daemon itself counted. */
static void print_status(const struct soak_run *run)
{
    GVariant *reply = g_dbus_connection_call_sync(
        run->world->bus, "com.intel.tss2.Tabrmd", "/org/tabrmd/Manager", "org.tabrmd.Manager1",
        "GetStatus", NULL, G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, WORLD_START_MS, NULL,
        NULL);
    char *text = reply ? g_variant_print(reply, FALSE) : g_strdup("none");

    printf("# the daemon's status: %s\n", text);
    g_free(text);
    if (reply)
        g_variant_unref(reply);
}

static void print_figures(const struct soak_run *run)
{
    const struct tally *tally = run->tally;
    uint64_t fewest = UINT64_MAX;

    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        fewest = MIN(fewest, atomic_load(&tally->jobs[i]));
    printf("# seed %" PRIu64 ", %u s, %u clients%s\n", run->seed, run->seconds, SOAK_CLIENTS,
           run->lossy    ? ", with losses"
           : run->deadly ? ", with deaths"
                         : "");
    printf("# clients: %" PRIu64 " calls, %" PRIu64 " answers checked, %" PRIu64
           " connections, %" PRIu64 " cancels, at least %" PRIu64 " jobs each\n",
           tally_calls(tally), atomic_load(&tally->checks), atomic_load(&tally->connections),
           atomic_load(&tally->cancels), fewest);
    printf("# faults: %" PRIu64 " answers of the chip, %" PRIu64 " broken transports, %" PRIu64
           " losses of power\n",
           run->plan.injected, log_lines(run, "\" is back"), run->cuts);
    printf("# told to clients: %" PRIu64 " failures, %" PRIu64 " warnings, %" PRIu64 " losses\n",
           atomic_load(&tally->failures), atomic_load(&tally->warnings),
           atomic_load(&tally->losses));
    printf("# the daemon: %zu kB resident at first, at most %zu in the second quarter and %zu in "
           "the last; %zu descriptors without clients, at most %zu\n",
           run->watch.first_kb, run->watch.warm_kb, run->watch.late_kb, run->watch.idle_files,
           run->watch.most_files);
}

/* The same of what deaths there were. */
static void print_deaths(const struct soak_run *run)
{
    const struct tally *tally = run->tally;

    printf("# deaths: %u by SIGKILL, %u by SIGKILL after SIGUSR1, %u hand-overs\n",
           run->deaths.kills, run->deaths.cut, run->deaths.hand_overs);
    printf("# what grows: %" PRIu64 " commands answered, %" PRIu64
           " of unknown outcome, of which %" PRIu64 " were done\n",
           atomic_load(&tally->grown), atomic_load(&tally->unknown),
           atomic_load(&tally->unknown_done));
    printf("# sessions that the chip lost: %" PRIu64 "; connections that ended before their first "
           "answer: %" PRIu64 "\n",
           atomic_load(&tally->lost_sessions), atomic_load(&tally->early_ends));
    printf(
        "# the journal: at most %zu kB in the second quarter and %zu in the last, %zu of a brief "
        "life and %zu of a long one\n# what is kept was right %u times\n",
        run->watch.warm_journal_kb, run->watch.late_journal_kb, run->watch.brief_journal_kb,
        run->watch.long_journal_kb, run->deaths.looks);
}

static bool files_are_back(void *argument)
{
    const struct watch *watch = argument;

    return watch_files(watch) <= watch->idle_files;
}

static bool each_worked(const struct soak_run *run)
{
    unsigned idle = find_idle(run);

    if (idle < SOAK_CLIENTS)
        printf("# client %u did nothing\n", idle);
    return idle == SOAK_CLIENTS;
}

/* What only a soak with deaths tells. Each death may take a session of which the chip has nothing,
 * and a connection that was not kept yet. */
static void judge_deaths(struct soak_run *run)
{
    uint64_t kills = run->deaths.kills + run->deaths.cut;

    print_deaths(run);
    point(run, deaths_were_outlived(&run->deaths), "what each daemon left was of use");
    point(run, atomic_load(&run->tally->lost_sessions) <= kills, "no session was lost needlessly");
    point(run, atomic_load(&run->tally->early_ends) <= kills, "no connection was");
    point(run, watch_journal_is_flat(&run->watch), "the journal stayed flat");
    point(run, deaths_left_nothing(&run->deaths), "nothing is kept of clients that are gone");
}

static void judge(struct soak_run *run)
{
    bool ran = run_for_a_while(run);
    /* What follows is no place for faults, however the soak ended. */
    bool quiet = fault_plan_next(&run->plan, run->world, true);
    bool ended = end_all(run);

    print_figures(run);
    point(run, ran && quiet && ended, "every answer was right and nobody hung");
    point(run, each_worked(run), "each client got work done");
    if (run->attackers.count == 0)
        point(run, true, "beside attackers # SKIP there are none");
    else
        point(run, attackers_went_unnoticed(&run->attackers, run->tally),
              "each client got answers all the time beside attackers");
    point(run, watch_memory_is_flat(&run->watch), "memory stayed flat");
    if (run->watch.idle_files == 0)
        point(run, true, "descriptors # SKIP the kernel does not tell this user");
    else
        point(run, ran && world_poll(files_are_back, &run->watch, WORLD_START_MS),
              "descriptors stayed flat");
    print_status(run);
    if (run->deadly)
        judge_deaths(run);
    point(run, (run->deadly ? deaths_stop(&run->deaths) : world_stop_daemon(run->world)) == 0,
          "the daemon ended with status 0");
    point(run, world_chip_empty(run->world), "the chip was left empty");
    if (!run->good) {
        print_log(run, "clients.log");
        print_log(run, "daemon.log");
    }
}

static bool parse_arguments(struct soak_run *run, int argc, char **argv)
{
    guint64 seconds;

    if (argc < 3 || argc > 4 || !g_ascii_string_to_unsigned(argv[1], 10, 1, 1000000, &seconds, NULL)
        || !g_ascii_string_to_unsigned(argv[2], 10, 0, UINT64_MAX, &run->seed, NULL)
        || (argc == 4 && strcmp(argv[3], "losses") != 0 && strcmp(argv[3], "deaths") != 0))
        return false;
    run->seconds = (unsigned)seconds;
    run->mode = argc == 4 ? argv[3] : "usual";
    run->lossy = strcmp(run->mode, "losses") == 0;
    run->deadly = strcmp(run->mode, "deaths") == 0;
    return true;
}

int main(int argc, char **argv)
{
    struct soak_run run = {.good = true};

    if (!parse_arguments(&run, argc, argv)) {
        fprintf(stderr, "usage: soak SECONDS SEED [losses|deaths]\n");
        return 64;
    }
    run.plan = (struct fault_plan){.chance = run.seed * 2 + 1, .lossy = run.lossy};
    if (!start_world(&run)) {
        deaths_free(&run.deaths);
        world_free(run.world);
        return 1;
    }
    watch_start(&run.watch, run.deadly ? keeper_pid(run.deaths.keeper) : run.world->daemon.pid);
    printf("1..%d\n# seed %" PRIu64 "\n", run.deadly ? 13 : 8, run.seed);
    if (start_clients(&run))
        judge(&run);
    else
        point(&run, false, "the clients started");
    deaths_free(&run.deaths);
    point(&run, world_free(run.world), "no sanitizer had anything to say");
    tally_close(run.tally);
    return run.good ? 0 : 1;
}
