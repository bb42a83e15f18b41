/* SPDX-License-Identifier: BSD-2-Clause */
#include "service.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first descriptor that is passed (sd_listen_fds(3), SD_LISTEN_FDS_START). */
#define SERVICE_FIRST_FD 3

void service_notify(const char *state)
{
    struct sockaddr_un address;
    socklen_t size;
    int fd;

    if (!keeper_address(getenv("NOTIFY_SOCKET"), &address, &size))
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        log_warning("the service manager cannot be told \"%s\": %s", state, strerror(errno));
    close(fd);
}

void service_notify_reloading(void)
{
    g_autofree char *state =
        g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());

    service_notify(state);
}

/* A variable with a number; false when there is none, or one that is out of range. */
static bool service_number(const char *name, guint64 least, guint64 most, guint64 *value)
{
    const char *text = getenv(name);

    return text && g_ascii_string_to_unsigned(text, 10, least, most, value, NULL);
}

unsigned service_watchdog_ms(void)
{
    guint64 usec, pid;

    if (!service_number("WATCHDOG_USEC", 1, G_MAXUINT64, &usec))
        return 0;
    if (getenv("WATCHDOG_PID")
        && (!service_number("WATCHDOG_PID", 1, G_MAXINT, &pid) || pid != (guint64)getpid()))
        return 0;
    return (unsigned)CLAMP(usec / 1000, 1, G_MAXINT);
}

static bool service_is(int fd, int option, int wanted)
{
    socklen_t size = sizeof(int);
    int value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool service_is_stream(int fd, int listening)
{
    return service_is(fd, SO_DOMAIN, AF_UNIX) && service_is(fd, SO_TYPE, SOCK_STREAM)
           && service_is(fd, SO_ACCEPTCONN, listening);
}

struct keeper *service_keeper(void)
{
    struct keeper *keeper;
    guint64 most;

    if (!getenv("NOTIFY_SOCKET") || !service_number("FDSTORE", 1, G_MAXINT, &most))
        return NULL;
    keeper = keeper_new(getenv("NOTIFY_SOCKET"), (unsigned)most);
    if (!keeper)
        log_warning("connections end with this daemon, and not with the next one: the service "
                    "manager keeps %u descriptors (FDSTORE) and is at %s (NOTIFY_SOCKET): %s",
                    (unsigned)most, getenv("NOTIFY_SOCKET"), strerror(errno));
    return keeper;
}

/* The place for a descriptor that there is one of, or NULL: by its name, and for a listening socket
 * of the service manager's own by its kind, as people may name that one. */
static int *service_place(struct passed *passed, int fd, const char *name)
{
    if (g_str_equal(name, KEEPER_JOURNAL_0))
        return &passed->journals[0];
    if (g_str_equal(name, KEEPER_JOURNAL_1))
        return &passed->journals[1];
    if (!service_is_stream(fd, 1))
        return NULL;
    return g_str_equal(name, KEEPER_LISTENER) ? &passed->own : &passed->listening;
}

static bool service_take(struct passed *passed, int fd, const char *name)
{
    int *place;

    if (g_str_equal(name, KEEPER_CONNECTION))
        return service_is_stream(fd, 0) && passed_add(passed, fd);
    place = service_place(passed, fd, name);
    if (!place || *place >= 0)
        return false;
    *place = fd;
    return true;
}

/* Under one of our names others are kept that are of use. */
static bool service_is_ours(const char *name)
{
    return g_str_equal(name, KEEPER_CONNECTION) || g_str_equal(name, KEEPER_LISTENER)
           || g_str_equal(name, KEEPER_JOURNAL_0) || g_str_equal(name, KEEPER_JOURNAL_1);
}

/* A socket that is passed by a socket unit is not shut down, as it is passed to the next daemon
 * too. */
static void service_drop(int fd, const char *name, struct keeper *keeper)
{
    bool stored = name[0] != '\0' && !g_str_has_suffix(name, ".socket");

    log_warning("descriptor %d, which the service manager passed, is of no use: one "
                "ListenStream= with a path is",
                fd);
    if (keeper && stored && !service_is_ours(name))
        keeper_remove(keeper, name);
    if (stored)
        shutdown(fd, SHUT_RDWR);
    close(fd);
}

void service_take_passed(struct passed *passed, struct keeper *keeper)
{
    const char *text = getenv("LISTEN_FDNAMES");
    g_auto(GStrv) names = g_strsplit(text ? text : "", ":", -1);
    guint64 pid, count = 0;

    passed_init(passed);
    if (!service_number("LISTEN_PID", 1, G_MAXINT, &pid) || pid != (guint64)getpid()
        || !service_number("LISTEN_FDS", 1, G_MAXINT - SERVICE_FIRST_FD, &count))
        count = 0;
    for (guint i = 0, named = g_strv_length(names); i < count; i++) {
        int fd = SERVICE_FIRST_FD + (int)i;
        const char *name = i < named ? names[i] : "";

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (!service_take(passed, fd, name))
            service_drop(fd, name, keeper);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

char *service_directory(void)
{
    const char *directories = getenv("RUNTIME_DIRECTORY");

    /* More than one are separated by colons. */
    if (!directories || directories[0] != '/')
        return NULL;
    return g_strndup(directories, strcspn(directories, ":"));
}

char *service_runtime_dir(void)
{
    char *path = service_directory();
    const char *user = getenv("XDG_RUNTIME_DIR");

    if (path || !user || user[0] != '/')
        return path;
    path = g_build_filename(user, "tabrmd", NULL);
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return path;
    log_warning("%s cannot be made: %s", path, strerror(errno));
    g_free(path);
    return NULL;
}
