/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/keeper.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct keeper {
    int fd;
    unsigned most;
    bool warned; /* atomic */
};

bool keeper_address(const char *path, struct sockaddr_un *address, socklen_t *size)
{
    size_t length = path ? strlen(path) : 0;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length < 2 || length >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* A socket that sends to the address. A negative errno on failure. */
static int connect_to(const struct sockaddr_un *address, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, size) == 0)
        return fd < 0 ? -errno : fd;
    error = -errno;
    close(fd);
    return error;
}

struct keeper *keeper_new(const char *path, unsigned most)
{
    struct keeper *keeper;
    struct sockaddr_un address;
    socklen_t size;
    int fd;

    if (!keeper_address(path, &address, &size) || most <= KEEPER_SPARE) {
        errno = EINVAL;
        return NULL;
    }
    fd = connect_to(&address, size);
    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    keeper = calloc(1, sizeof(*keeper));
    if (keeper)
        *keeper = (struct keeper){.fd = fd, .most = most};
    else
        close(fd);
    return keeper;
}

void keeper_free(struct keeper *keeper)
{
    if (!keeper)
        return;
    close(keeper->fd);
    free(keeper);
}

unsigned keeper_connections(const struct keeper *keeper)
{
    return keeper->most - KEEPER_SPARE;
}

/* Sends a message with a descriptor, unless that is -1. 0 or a negative errno. */
static int send_once(const struct keeper *keeper, char *text, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {text, strlen(text)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count;

    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
    }
    do {
        count = sendmsg(keeper->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : 0;
}

/* Whether it may be sent when the service manager has read more. */
static bool is_full(int error)
{
    return error == -EAGAIN || error == -ENOBUFS || error == -ETOOMANYREFS;
}

static void tell_failure(struct keeper *keeper, int error)
{
    if (__atomic_exchange_n(&keeper->warned, true, __ATOMIC_RELAXED))
        return;
    log_warning("the service manager cannot be sent descriptors (%s): connections end with this "
                "daemon, and not with the next one",
                strerror(-error));
}

int keeper_store_connection(struct keeper *keeper, int fd)
{
    char text[] = "FDSTORE=1\nFDNAME=" KEEPER_CONNECTION;
    int error = send_once(keeper, text, fd);

    if (is_full(error))
        return -EAGAIN;
    if (error)
        tell_failure(keeper, error);
    return error;
}

/* A socket without a full queue at its other end can be sent to. */
static int send_waiting(struct keeper *keeper, char *text, int fd)
{
    struct pollfd writable = {.fd = keeper->fd, .events = POLLOUT};
    int error = send_once(keeper, text, fd);

    if (is_full(error) && poll(&writable, 1, KEEPER_WAIT_MS) > 0)
        error = send_once(keeper, text, fd);
    if (error)
        tell_failure(keeper, error);
    return error;
}

int keeper_store(struct keeper *keeper, const char *name, int fd)
{
    char text[32 + KEEPER_NAME];

    snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
    return send_waiting(keeper, text, fd);
}

int keeper_remove(struct keeper *keeper, const char *name)
{
    char text[32 + KEEPER_NAME];

    snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
    return send_waiting(keeper, text, -1);
}
