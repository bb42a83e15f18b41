/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that are to outlive the daemon, each a connection with things of its own (holder.h):
 *
 *   clients COUNT RICH CONF...
 *
 * COUNT connections, the first RICH of them with sessions, over the TCTI configurations CONF in
 * turn. It does what a line of its standard input says and prints one line for it, which begins
 * with "ok" or with "wrong" and what was wrong with the first:
 *
 *   check        each uses all that it has, and is right
 *   void         each is told that all it has is void, and makes it anew
 *   closed       each connection has ended, and each connects again
 *   unreachable  each is told that the TPM cannot be reached
 *   cancel       each cancels a command of its own
 *   leave N      the last N end
 *   sign         each signs without pause from now on
 *   count        how many signs there were since
 *   stop         each ends with that; how many signs were lost with a daemon that was killed, how
 * many failed otherwise, and the longest pauses
 *
 * The first line is that of connecting. It ends with its input. A line that takes longer than
 * TIMEOUT seconds ends it too.
 */
#include "holder.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT     300
#define MAX_CLIENTS 4096
#define STACK_SIZE  (512 * 1024)

struct client {
    struct holder holder;
    TSS2_RC (*job)(struct holder *holder);
    TSS2_RC rc;
    pthread_t thread;
};

static struct client clients[MAX_CLIENTS];
static unsigned count;

/* Of those that sign. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool stop;
    unsigned signs, lost, failures;
    TSS2_RC first;        /* of the failures */
    double wait, silence; /* the longest, in seconds: of one for its answer, of all for any */
    double answered;      /* when the last one was */
} signing;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double longer(double left, double right)
{
    return left > right ? left : right;
}

/* Counts an answer. Whether to go on. */
static bool account(const struct holder *holder, TSS2_RC rc, double since)
{
    double time = now();
    bool stop;

    pthread_mutex_lock(&lock);
    if (rc == TSS2_RC_SUCCESS)
        signing.signs++;
    else if (holder_may_lose(holder, rc))
        signing.lost++;
    else if (signing.failures++ == 0)
        signing.first = rc;
    signing.wait = longer(signing.wait, time - since);
    signing.silence = longer(signing.silence, time - signing.answered);
    signing.answered = time;
    stop = signing.stop;
    pthread_mutex_unlock(&lock);
    return !stop;
}

static TSS2_RC sign_on(struct holder *holder)
{
    double since;
    TSS2_RC rc;

    do {
        since = now();
        rc = holder_sign(holder);
    } while (account(holder, rc, since));
    return TSS2_RC_SUCCESS;
}

static void hangs(int number)
{
    static const char text[] = "wrong: a client hangs\n";

    (void)number;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
        _exit(2);
    _exit(1);
}

static void *work(void *data)
{
    struct client *client = data;

    client->rc = client->job(&client->holder);
    return NULL;
}

static void begin(TSS2_RC (*job)(struct holder *holder))
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (unsigned i = 0; i < count; i++) {
        clients[i].job = job;
        if (pthread_create(&clients[i].thread, &attributes, work, &clients[i]) != 0) {
            printf("wrong: no thread for client %u\n", i);
            exit(1);
        }
    }
    pthread_attr_destroy(&attributes);
}

/* Waits for all, and says how many were right. */
static void end(void)
{
    const struct client *first = NULL;
    unsigned right = 0;

    for (unsigned i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
        right += clients[i].rc == TSS2_RC_SUCCESS;
        if (clients[i].rc != TSS2_RC_SUCCESS && !first)
            first = &clients[i];
    }
    if (first)
        printf("wrong: %u of %u; client %u: %s: 0x%X\n", count - right, count, first->holder.number,
               first->holder.step, first->rc);
    else
        printf("ok %u\n", right);
}

static void leave(unsigned leaving)
{
    for (; leaving > 0 && count > 0; leaving--)
        holder_end(&clients[--count].holder);
    printf("ok %u\n", count);
}

static void sign(void)
{
    memset(&signing, 0, sizeof(signing));
    signing.answered = now();
    begin(sign_on);
    printf("ok\n");
}

static void tell_count(void)
{
    pthread_mutex_lock(&lock);
    printf("ok %u\n", signing.signs);
    pthread_mutex_unlock(&lock);
}

static void stop(void)
{
    pthread_mutex_lock(&lock);
    signing.stop = true;
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    printf("ok %u signs, %u lost, %u failed", signing.signs, signing.lost, signing.failures);
    if (signing.failures > 0)
        printf(", the first 0x%X", signing.first);
    printf("; longest wait of a client %.0f ms, of all %.0f ms\n", signing.wait * 1e3,
           signing.silence * 1e3);
}

static void obey(const char *line)
{
    static const struct {
        const char *name;
        TSS2_RC (*job)(struct holder *holder);
    } jobs[] = {
        {"check\n", holder_check},          {"void\n", holder_expect_void},
        {"closed\n", holder_expect_closed}, {"unreachable\n", holder_expect_unreachable},
        {"cancel\n", holder_cancel},
    };

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        if (strcmp(line, jobs[i].name) == 0) {
            begin(jobs[i].job);
            end();
            return;
        }
    }
    if (strncmp(line, "leave ", 6) == 0)
        leave((unsigned)strtoul(line + 6, NULL, 10));
    else if (strcmp(line, "sign\n") == 0)
        sign();
    else if (strcmp(line, "count\n") == 0)
        tell_count();
    else if (strcmp(line, "stop\n") == 0)
        stop();
    else
        printf("wrong: unknown: %s", line);
}

/* A connection takes up to two descriptors. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    unsigned rich = argc > 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    char line[64];

    count = argc > 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (count == 0 || count > MAX_CLIENTS) {
        fprintf(stderr, "usage: clients COUNT RICH CONF...\n");
        return 64;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, hangs);
    allow_descriptors();
    for (unsigned i = 0; i < count; i++)
        clients[i].holder = (struct holder){
            .conf = argv[3 + i % ((unsigned)argc - 3)], .number = i, .rich = i < rich};
    alarm(TIMEOUT);
    begin(holder_begin);
    end();
    while (alarm(0), fgets(line, sizeof(line), stdin)) {
        alarm(TIMEOUT);
        obey(line);
    }
    leave(count);
    return 0;
}
