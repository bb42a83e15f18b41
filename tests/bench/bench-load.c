/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many clients in one process. Each is the bare socket that the daemon hands out over D-Bus; all
 * are asked for on one connection to the session bus and get random bytes once, so that the bus has
 * no part in what is measured. Jobs come one a line on standard input, answers go one a line to
 * standard output.
 *
 *   connect N   asks for more connections until there are N or the daemon refuses; how many
 *               there are
 *   drop N      closes all but N
 *   each        every connection gets random bytes once; how many did
 *   one MS      one connection asks for random bytes again and again, the others are silent; how
 *               many answers came in that many milliseconds, and how many microseconds it took
 *   all MS      the same, every connection with a command outstanding all the time
 */
#include "wire/header.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOAD_MAX      16384
#define LOAD_EVENTS   256
#define LOAD_RANDOM   8
#define LOAD_RESPONSE (HEADER_SIZE + 2 + LOAD_RANDOM)
#define LOAD_TIMEOUT  60000 /* milliseconds */

struct load {
    GDBusConnection *bus;
    int epoll;
    int fds[LOAD_MAX];
    unsigned count;
};

static const uint8_t load_command[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, LOAD_RANDOM};

static bool load_send(int fd)
{
    return send(fd, load_command, sizeof(load_command), MSG_NOSIGNAL)
           == (ssize_t)sizeof(load_command);
}

/* Takes one response; it always has the same size. */
static bool load_receive(int fd)
{
    uint8_t response[LOAD_RESPONSE];

    return recv(fd, response, sizeof(response), MSG_WAITALL) == LOAD_RESPONSE
           && header_load(response).code == 0;
}

/* One more connection, with its first command: of connections that are not used the daemon hands
 * out few. False when it hands none out. */
static bool load_connect(struct load *load)
{
    static const struct timeval timeout = {.tv_sec = LOAD_TIMEOUT / 1000};
    struct epoll_event event = {.events = EPOLLIN};
    GUnixFDList *list = NULL;
    GVariant *reply = g_dbus_connection_call_with_unix_fd_list_sync(
        load->bus, "com.intel.tss2.Tabrmd", "/com/intel/tss2/Tabrmd/Tcti",
        "com.intel.tss2.TctiTabrmd", "CreateConnection", NULL, G_VARIANT_TYPE("(t)"),
        G_DBUS_CALL_FLAGS_NONE, LOAD_TIMEOUT, NULL, &list, NULL, NULL);
    int fd = -1, flags;

    if (reply && list && g_unix_fd_list_get_length(list) == 1)
        fd = g_unix_fd_list_get(list, 0, NULL);
    if (reply)
        g_variant_unref(reply);
    g_clear_object(&list);
    event.data.u32 = load->count;
    flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0
        || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 || !load_send(fd)
        || !load_receive(fd) || epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return false;
    load->fds[load->count++] = fd;
    return true;
}

static bool load_job_each(struct load *load)
{
    unsigned served = 0;

    for (unsigned i = 0; i < load->count; i++)
        served += load_send(load->fds[i]) && load_receive(load->fds[i]);
    printf("ok %u\n", served);
    return true;
}

static bool load_job_one(struct load *load, long ms)
{
    gint64 start = g_get_monotonic_time(), end = start + (gint64)ms * 1000, now = start;
    unsigned answers = 0;

    for (; now < end; now = g_get_monotonic_time()) {
        if (load->count == 0 || !load_send(load->fds[0]) || !load_receive(load->fds[0]))
            return false;
        answers++;
    }
    printf("ok %u %lld\n", answers, (long long)(now - start));
    return true;
}

/* Takes what came, and sends the next command in its place where `more`. Answers taken, or -1. */
static int load_turn(struct load *load, bool more)
{
    struct epoll_event events[LOAD_EVENTS];
    int count = epoll_wait(load->epoll, events, LOAD_EVENTS, LOAD_TIMEOUT);

    for (int i = 0; i < count; i++) {
        int fd = load->fds[events[i].data.u32];

        if (!load_receive(fd) || (more && !load_send(fd)))
            return -1;
    }
    return count > 0 ? count : -1;
}

static bool load_job_all(struct load *load, long ms)
{
    gint64 start = g_get_monotonic_time(), end = start + (gint64)ms * 1000, now = start;
    unsigned answers = 0, outstanding = 0;
    int count = 0;

    while (outstanding < load->count && load_send(load->fds[outstanding]))
        outstanding++;
    if (outstanding < load->count)
        return false;
    for (; now < end && count >= 0; now = g_get_monotonic_time()) {
        count = load_turn(load, true);
        answers += count > 0 ? (unsigned)count : 0;
    }
    while (outstanding > 0 && count >= 0) {
        count = load_turn(load, false);
        outstanding -= count > 0 ? (unsigned)count : 0;
    }
    if (count < 0)
        return false;
    printf("ok %u %lld\n", answers, (long long)(now - start));
    return true;
}

static bool load_job_connect(struct load *load, long wanted)
{
    if (wanted < 0 || wanted > LOAD_MAX)
        return false;
    while (load->count < (unsigned)wanted && load_connect(load))
        ;
    printf("ok %u\n", load->count);
    return true;
}

static void load_drop(struct load *load, unsigned left)
{
    while (load->count > left)
        close(load->fds[--load->count]);
}

static bool load_job_drop(struct load *load, long left)
{
    if (left < 0)
        return false;
    load_drop(load, left < LOAD_MAX ? (unsigned)left : LOAD_MAX);
    printf("ok\n");
    return true;
}

static bool load_job(struct load *load, const char *line)
{
    const char *space = strchr(line, ' ');
    long number = space ? strtol(space + 1, NULL, 10) : 0;

    if (strncmp(line, "connect ", 8) == 0)
        return load_job_connect(load, number);
    if (strncmp(line, "drop ", 5) == 0)
        return load_job_drop(load, number);
    if (strncmp(line, "each", 4) == 0)
        return load_job_each(load);
    if (strncmp(line, "one ", 4) == 0)
        return load_job_one(load, number);
    if (strncmp(line, "all ", 4) == 0)
        return load_job_all(load, number);
    return false;
}

int main(void)
{
    struct load *load = g_new0(struct load, 1);
    struct rlimit limit;
    size_t room = 0;
    char *line = NULL;
    bool good;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);
    good = load->bus && load->epoll >= 0;
    printf(good ? "ok\n" : "error no bus\n");
    while (good && fflush(stdout) == 0 && getline(&line, &room, stdin) > 0) {
        good = load_job(load, line);
        if (!good)
            printf("error %s: %s", strerror(errno), line);
    }
    load_drop(load, 0);
    if (load->epoll >= 0)
        close(load->epoll);
    g_clear_object(&load->bus);
    free(line);
    g_free(load);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
