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
#include <sys/un.h>
#include <unistd.h>

/* The first descriptor that is passed (sd_listen_fds(3), SD_LISTEN_FDS_START). */
#define SERVICE_FIRST_FD 3

void service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    int fd;

    if ((length < 2) || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length))
        < 0)
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

int service_listen_socket(void)
{
    guint64 pid, count = 0;
    int found = -1;

    if (!service_number("LISTEN_PID", 1, G_MAXINT, &pid) || pid != (guint64)getpid()
        || !service_number("LISTEN_FDS", 1, G_MAXINT - SERVICE_FIRST_FD, &count))
        count = 0;
    for (int fd = SERVICE_FIRST_FD; fd < SERVICE_FIRST_FD + (int)count; fd++) {
        if (found < 0 && service_is(fd, SO_DOMAIN, AF_UNIX) && service_is(fd, SO_TYPE, SOCK_STREAM)
            && service_is(fd, SO_ACCEPTCONN, 1)) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            found = fd;
            continue;
        }
        log_warning("descriptor %d, which the service manager passed, is of no use: one "
                    "ListenStream= with a path is",
                    fd);
        close(fd);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return found;
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
