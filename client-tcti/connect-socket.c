/* SPDX-License-Identifier: BSD-2-Clause */
#include "connect-socket.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"

/* A listener that does not accept fills its queue, and connect() then blocks for as long as the
 * send timeout says. The timeout stays: taking it off would cost every connection a system call. */
static int connect_socket_bounded(int fd, const struct sockaddr_un *address, socklen_t size,
                                  int64_t deadline)
{
    struct timeval wait;
    int left;

    do {
        left = deadline_left_ms(deadline);
        if (left == 0)
            return -ETIMEDOUT;
        wait = (struct timeval){left / 1000, left % 1000 * 1000};
        if (deadline != DEADLINE_NEVER
            && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
            return -errno;
        if (connect(fd, (const struct sockaddr *)address, size) == 0)
            return 0;
    } while (errno == EINTR);
    return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

int connect_socket(const char *path, size_t length, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, failed;

    if (length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The terminating zero belongs to the address of a path, and not to that of an abstract name.
     */
    failed = connect_socket_bounded(
        fd, &address,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '\0')), deadline);
    if (failed == 0)
        return fd;
    close(fd);
    return failed;
}
