/* SPDX-License-Identifier: BSD-2-Clause */
#include "keeper.h"

#include "keeper-notice.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 60000 /* bound of all waiting */

struct keeper {
    struct keeper_setup setup; /* copied; the environment has what follows in it */
    char *socket_path;
    int notify_fd, wake_fd;
    GThread *thread;
    GMutex lock; /* of all that follows; the thread alone changes process and store */
    GCond changed;
    struct process process;
    struct keeper_store store;
    unsigned starts, ready, strangers;
    bool wanted;     /* a daemon is to run */
    bool restarting; /* whatever it ends with, another one is to run */
    bool paused, held, over;
    int status;
};

static void take_notices(struct keeper *keeper)
{
    struct keeper_notice notice;

    while (keeper_notice_take(&notice, keeper->notify_fd)) {
        if (keeper->process.pid == 0 || notice.from != keeper->process.pid) {
            keeper->strangers++;
            keeper_notice_drop(&notice);
        } else if (keeper_notice_follow(&notice, &keeper->store)) {
            keeper->ready = keeper->starts;
        }
    }
}

/* Ends after which the unit is not started again: clean ones, and RestartPreventExitStatus=. */
static bool is_final(int status)
{
    static const int final[] = {
        0, 64, 69, 73, 77, 78, 128 + SIGHUP, 128 + SIGINT, 128 + SIGPIPE, 128 + SIGTERM};

    for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
        if (status == final[i])
            return true;
    return false;
}

static void drop_kept(struct keeper *keeper)
{
    unsigned max = keeper->store.max, refused = keeper->store.refused;

    keeper_store_clear(&keeper->store);
    keeper_store_init(&keeper->store, max);
    keeper->store.refused = refused;
}

/* Messages are the process's for as long as it is not reaped. */
static void look_for_end(struct keeper *keeper)
{
    struct pollfd ended = {.fd = keeper->process.pidfd, .events = POLLIN};

    if (keeper->process.pid == 0 || poll(&ended, 1, 0) <= 0)
        return;
    take_notices(keeper);
    process_wait(&keeper->process, -1);
    keeper->status = process_exit_status(&keeper->process);
    if (!keeper->restarting && is_final(keeper->status))
        keeper->wanted = false;
    keeper->restarting = false;
    keeper_store_drop(&keeper->store);
    if (!keeper->wanted)
        drop_kept(keeper);
}

/* What the daemon gets, and what it is told of that. */
static void start_daemon(struct keeper *keeper)
{
    unsigned first = keeper->setup.named ? 1 : 0, count = keeper->store.count + first;
    int *kept = keeper_store_descriptors(&keeper->store), *passed = g_new0(int, count + 1);
    char *names = keeper_store_names(&keeper->store);
    const char *named = keeper->setup.named;
    char *fds = g_strdup_printf("LISTEN_FDS=%u", count);
    char *fdnames = g_strdup_printf("LISTEN_FDNAMES=%s%s%s", first ? named : "",
                                    first && count > 1 ? ":" : "", names);
    GPtrArray *env = g_ptr_array_new();
    struct process_setup setup = {.argv = keeper->setup.argv,
                                  .out = keeper->setup.log,
                                  .err = keeper->setup.log,
                                  .passed = passed,
                                  .passed_count = count};

    passed[0] = keeper->setup.listening;
    memcpy(passed + first, kept, keeper->store.count * sizeof(int));
    for (const char *const *word = keeper->setup.env; *word; word++)
        g_ptr_array_add(env, (gpointer)(uintptr_t)*word);
    g_ptr_array_add(env, count ? fds : (char *)(uintptr_t) "LISTEN_FDS");
    g_ptr_array_add(env, count ? fdnames : (char *)(uintptr_t) "LISTEN_FDNAMES");
    g_ptr_array_add(env, NULL);
    setup.env = (const char *const *)env->pdata;
    keeper->starts++;
    if (!process_start(&keeper->process, &setup)) {
        fprintf(stderr, "keeper: cannot start %s: %s\n", keeper->setup.argv[0], strerror(errno));
        keeper->wanted = false;
    }
    g_ptr_array_free(env, TRUE);
    g_free(fdnames);
    g_free(fds);
    g_free(names);
    g_free(passed);
    g_free(kept);
}

/* Waits until something is to be done. */
static void wait_for_events(struct keeper *keeper, bool held)
{
    struct pollfd *polled = g_new0(struct pollfd, keeper->store.count + 3);
    unsigned count = 0;

    polled[count++] = (struct pollfd){.fd = keeper->wake_fd, .events = POLLIN};
    if (keeper->process.pid != 0)
        polled[count++] = (struct pollfd){.fd = keeper->process.pidfd, .events = POLLIN};
    if (!held) {
        polled[count++] = (struct pollfd){.fd = keeper->notify_fd, .events = POLLIN};
        count += keeper_store_watch(&keeper->store, polled + count);
    }
    poll(polled, count, -1);
    g_free(polled);
}

static void *run(void *data)
{
    struct keeper *keeper = data;
    uint64_t woken;
    bool held, over = false;

    while (!over) {
        g_mutex_lock(&keeper->lock);
        if (!keeper->held) {
            take_notices(keeper);
            keeper_store_drop(&keeper->store);
        }
        look_for_end(keeper);
        over = keeper->over;
        if (!over && keeper->wanted && !keeper->paused && keeper->process.pid == 0)
            start_daemon(keeper);
        held = keeper->held;
        g_cond_broadcast(&keeper->changed);
        g_mutex_unlock(&keeper->lock);
        if (over)
            break;
        wait_for_events(keeper, held);
        (void)!read(keeper->wake_fd, &woken, sizeof(woken));
    }
    return NULL;
}

static void wake(struct keeper *keeper)
{
    (void)!write(keeper->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* The socket, which tells who sends. */
static bool open_socket(struct keeper *keeper)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int yes = 1;

    g_strlcpy(address.sun_path, keeper->socket_path, sizeof(address.sun_path));
    keeper->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return keeper->notify_fd >= 0 && keeper->wake_fd >= 0
           && setsockopt(keeper->notify_fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) == 0
           && bind(keeper->notify_fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* As many descriptors as a service manager may have. */
static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static const char *const *environment(const struct keeper_setup *setup, const char *socket_path)
{
    GPtrArray *words = g_ptr_array_new();

    for (const char *const *word = setup->env; word && *word; word++)
        g_ptr_array_add(words, g_strdup(*word));
    g_ptr_array_add(words, g_strdup_printf("NOTIFY_SOCKET=%s", socket_path));
    g_ptr_array_add(words,
                    setup->max ? g_strdup_printf("FDSTORE=%u", setup->max) : g_strdup("FDSTORE"));
    g_ptr_array_add(words, NULL);
    return (const char *const *)g_ptr_array_free(words, FALSE);
}

struct keeper *keeper_new(const struct keeper_setup *setup)
{
    struct keeper *keeper = g_new0(struct keeper, 1);

    raise_limit();
    keeper->socket_path = g_build_filename(setup->directory, "notify", NULL);
    keeper->setup = *setup;
    keeper->setup.directory = NULL;
    keeper->setup.argv = (const char *const *)g_strdupv((char **)(uintptr_t)setup->argv);
    keeper->setup.env = environment(setup, keeper->socket_path);
    keeper->setup.log = g_strdup(setup->log);
    keeper->setup.named = g_strdup(setup->named);
    keeper->process.pidfd = -1;
    g_mutex_init(&keeper->lock);
    g_cond_init(&keeper->changed);
    keeper_store_init(&keeper->store, setup->max);
    if (open_socket(keeper)) {
        keeper->thread = g_thread_new("keeper", run, keeper);
        return keeper;
    }
    fprintf(stderr, "keeper: %s: %s\n", keeper->socket_path, strerror(errno));
    keeper_free(keeper);
    return NULL;
}

void keeper_free(struct keeper *keeper)
{
    if (!keeper)
        return;
    g_mutex_lock(&keeper->lock);
    keeper->over = true;
    g_mutex_unlock(&keeper->lock);
    if (keeper->thread) {
        wake(keeper);
        g_thread_join(keeper->thread);
    }
    process_end(&keeper->process, 0);
    keeper_store_clear(&keeper->store);
    unlink(keeper->socket_path);
    if (keeper->notify_fd >= 0)
        close(keeper->notify_fd);
    if (keeper->wake_fd >= 0)
        close(keeper->wake_fd);
    g_strfreev((char **)(uintptr_t)keeper->setup.argv);
    g_strfreev((char **)(uintptr_t)keeper->setup.env);
    g_free((char *)(uintptr_t)keeper->setup.log);
    g_free((char *)(uintptr_t)keeper->setup.named);
    g_free(keeper->socket_path);
    g_mutex_clear(&keeper->lock);
    g_cond_clear(&keeper->changed);
    g_free(keeper);
}

/* Waits for a change, under the lock. False when time is over. */
static bool wait_changed(struct keeper *keeper, gint64 end)
{
    return g_cond_wait_until(&keeper->changed, &keeper->lock, end);
}

static gint64 wait_end(void)
{
    return g_get_monotonic_time() + WAIT_MS * G_TIME_SPAN_MILLISECOND;
}

bool keeper_await_ready(struct keeper *keeper, unsigned start)
{
    gint64 end = wait_end();
    bool waiting = true, ready;

    g_mutex_lock(&keeper->lock);
    while (waiting && keeper->wanted && keeper->ready < start)
        waiting = wait_changed(keeper, end);
    ready = keeper->ready >= start;
    if (!ready)
        fprintf(stderr, "keeper: daemon %u does not come up; the last one ended with status %d\n",
                start, keeper->status);
    g_mutex_unlock(&keeper->lock);
    return ready;
}

bool keeper_await_ended(struct keeper *keeper)
{
    gint64 end = wait_end();
    bool waiting = true, ended;

    g_mutex_lock(&keeper->lock);
    while (waiting && keeper->process.pid != 0)
        waiting = wait_changed(keeper, end);
    ended = keeper->process.pid == 0;
    g_mutex_unlock(&keeper->lock);
    return ended;
}

bool keeper_await_kept(struct keeper *keeper, const char *name, unsigned count)
{
    gint64 end = wait_end();
    bool waiting = true, kept;

    g_mutex_lock(&keeper->lock);
    while (waiting && keeper_store_count(&keeper->store, name) != count)
        waiting = wait_changed(keeper, end);
    kept = keeper_store_count(&keeper->store, name) == count;
    g_mutex_unlock(&keeper->lock);
    return kept;
}

bool keeper_start(struct keeper *keeper)
{
    unsigned next;

    g_mutex_lock(&keeper->lock);
    next = keeper->starts + 1;
    keeper->wanted = true;
    g_mutex_unlock(&keeper->lock);
    wake(keeper);
    return keeper_await_ready(keeper, next);
}

/* Sends a signal to a daemon, after which another one is to run, or none. The number of the next
 * start. */
static unsigned send_signal(struct keeper *keeper, int signal, bool wanted, bool restarting)
{
    unsigned next;

    g_mutex_lock(&keeper->lock);
    next = keeper->starts + 1;
    keeper->wanted = wanted;
    keeper->restarting = restarting && keeper->process.pid != 0;
    process_signal(&keeper->process, signal);
    g_mutex_unlock(&keeper->lock);
    wake(keeper);
    return next;
}

int keeper_stop(struct keeper *keeper)
{
    send_signal(keeper, SIGTERM, false, false);
    return keeper_await_ended(keeper) && keeper_await_kept(keeper, NULL, 0) ? keeper_status(keeper)
                                                                            : -1;
}

bool keeper_restart(struct keeper *keeper)
{
    return keeper_await_ready(keeper, send_signal(keeper, SIGUSR1, true, true));
}

bool keeper_kill(struct keeper *keeper, int signal)
{
    return keeper_await_ready(keeper, send_signal(keeper, signal, true, false));
}

void keeper_signal(struct keeper *keeper, int signal)
{
    g_mutex_lock(&keeper->lock);
    process_signal(&keeper->process, signal);
    g_mutex_unlock(&keeper->lock);
}

static void set(struct keeper *keeper, bool *member, bool value)
{
    g_mutex_lock(&keeper->lock);
    *member = value;
    g_mutex_unlock(&keeper->lock);
    wake(keeper);
}

void keeper_pause(struct keeper *keeper, bool paused)
{
    set(keeper, &keeper->paused, paused);
}

void keeper_hold(struct keeper *keeper, bool held)
{
    set(keeper, &keeper->held, held);
}

int keeper_descriptor(struct keeper *keeper, const char *name)
{
    int fd;

    g_mutex_lock(&keeper->lock);
    fd = keeper_store_find(&keeper->store, name);
    if (fd >= 0)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    g_mutex_unlock(&keeper->lock);
    return fd;
}

unsigned keeper_kept(struct keeper *keeper, const char *name)
{
    unsigned count;

    g_mutex_lock(&keeper->lock);
    count = keeper_store_count(&keeper->store, name);
    g_mutex_unlock(&keeper->lock);
    return count;
}

static unsigned get(struct keeper *keeper, const unsigned *member)
{
    unsigned value;

    g_mutex_lock(&keeper->lock);
    value = *member;
    g_mutex_unlock(&keeper->lock);
    return value;
}

unsigned keeper_starts(struct keeper *keeper)
{
    return get(keeper, &keeper->starts);
}

unsigned keeper_refused(struct keeper *keeper)
{
    return get(keeper, &keeper->store.refused);
}

unsigned keeper_strangers(struct keeper *keeper)
{
    return get(keeper, &keeper->strangers);
}

pid_t keeper_pid(struct keeper *keeper)
{
    pid_t pid;

    g_mutex_lock(&keeper->lock);
    pid = keeper->process.pid;
    g_mutex_unlock(&keeper->lock);
    return pid;
}

int keeper_status(struct keeper *keeper)
{
    int status;

    g_mutex_lock(&keeper->lock);
    status = keeper->status;
    g_mutex_unlock(&keeper->lock);
    return status;
}
