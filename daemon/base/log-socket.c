/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log-socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool log_socket_connect(struct log_socket *log)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", log->path);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return log->fd >= 0
           && connect(log->fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

enum log_socket_result log_socket_send(struct log_socket *log, const void *bytes, size_t size)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        if (log->fd >= 0 && send(log->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return LOG_SOCKET_TAKEN;
        if (log->fd >= 0 && (errno == EAGAIN || errno == ENOBUFS))
            return LOG_SOCKET_FULL;
        if (!log_socket_connect(log))
            return LOG_SOCKET_ABSENT;
    }
    return LOG_SOCKET_ABSENT;
}
