/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus-socket.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connect-socket.h"
#include "deadline.h"

/* What a bus says while authenticating, at the most; those in use say some 60 bytes. */
#define LINES_MAX_BYTES 512

void bus_socket_fds_close(struct bus_socket_fds *fds)
{
    while (fds->count > 0)
        close(fds->fds[--fds->count]);
}

int bus_socket_send(int fd, const void *bytes, size_t size, int64_t deadline)
{
    const uint8_t *at = bytes;
    ssize_t sent;
    int failed = 0;

    while (failed == 0 && size > 0) {
        sent = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN) {
            failed = deadline_poll(fd, POLLOUT, deadline);
        } else if (errno != EINTR) {
            failed = -errno;
        }
    }
    return failed;
}

/* Takes the descriptors of a received message over, all that fit. */
static int bus_socket_collect(struct msghdr *message, struct bus_socket_fds *fds)
{
    struct cmsghdr *control;
    size_t i, count;
    int fd, failed = message->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;

    for (control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < count; i++) {
            memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
            if (fds->count < BUS_SOCKET_MAX_FDS) {
                fds->fds[fds->count++] = fd;
            } else {
                close(fd);
                failed = -EBADMSG;
            }
        }
    }
    return failed;
}

int bus_socket_receive(int fd, void *bytes, size_t size, size_t *done, struct bus_socket_fds *fds,
                       int64_t deadline)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(BUS_SOCKET_MAX_FDS * sizeof(int))];
    } control;
    struct iovec part;
    struct msghdr message;
    ssize_t got;
    int failed;

    for (*done = 0; *done < size;) {
        failed = deadline_poll(fd, POLLIN, deadline);
        if (failed != 0)
            return failed;
        part = (struct iovec){(uint8_t *)bytes + *done, size - *done};
        message = (struct msghdr){.msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control)};
        got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return -errno;
        failed = bus_socket_collect(&message, fds);
        if (failed != 0)
            return failed;
        if (got == 0)
            return -ECONNRESET;
        *done += (size_t)got;
    }
    return 0;
}

static int bus_socket_hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undoes the %XX escapes of an address value, which is not empty. Returns its size, or 0 where it
 * is malformed or too long. */
static size_t bus_socket_unescape(char out[CONF_PATH_MAX], const char *text, size_t length)
{
    size_t i, size = 0;
    int high, low;

    for (i = 0; i < length; i++, size++) {
        if (size == CONF_PATH_MAX)
            return 0;
        out[size] = text[i];
        if (text[i] != '%')
            continue;
        if (length - i < 3)
            return 0;
        high = bus_socket_hex(text[i + 1]);
        low = bus_socket_hex(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return 0;
        out[size] = (char)(high << 4 | low);
        i += 2;
    }
    return size;
}

/* Connects to `unix:path=…` or `unix:abstract=…`, the `length` bytes at `address`. */
static int bus_socket_connect_one(const char *address, size_t length, int64_t deadline)
{
    const char *end = address + length, *item, *next;
    char path[CONF_PATH_MAX + 1];
    size_t size;

    if (strncmp(address, "unix:", 5) != 0)
        return -EPROTONOSUPPORT;
    for (item = address + 5; item < end; item = next + (next < end)) {
        next = memchr(item, ',', (size_t)(end - item));
        if (next == NULL)
            next = end;
        if (next - item > 5 && memcmp(item, "path=", 5) == 0) {
            size = bus_socket_unescape(path, item + 5, (size_t)(next - item) - 5);
            return size == 0 ? -EINVAL : connect_socket(path, size, deadline);
        }
        if (next - item > 9 && memcmp(item, "abstract=", 9) == 0) {
            path[0] = '\0';
            size = bus_socket_unescape(path + 1, item + 9, (size_t)(next - item) - 9);
            return size == 0 ? -EINVAL : connect_socket(path, size + 1, deadline);
        }
    }
    return -EPROTONOSUPPORT;
}

int bus_socket_connect(const char *addresses, int64_t deadline)
{
    int fd, first = 0;
    size_t length;

    for (;; addresses += length + 1) {
        length = strcspn(addresses, ";");
        if (length > 0) {
            fd = bus_socket_connect_one(addresses, length, deadline);
            if (fd >= 0)
                return fd;
            first = first == 0 ? fd : first;
        }
        if (addresses[length] == '\0')
            return first == 0 ? -EINVAL : first;
    }
}

/* The bus's address as the environment or the D-Bus specification has it. */
static bool bus_socket_address(char *address, size_t size, enum conf_bus bus)
{
    const char *set = secure_getenv(bus == CONF_BUS_SESSION ? "DBUS_SESSION_BUS_ADDRESS"
                                                            : "DBUS_SYSTEM_BUS_ADDRESS");
    const char *runtime;
    int used;

    if (set != NULL && *set != '\0') {
        used = snprintf(address, size, "%s", set);
    } else if (bus == CONF_BUS_SYSTEM) {
        used = snprintf(address, size, "unix:path=/run/dbus/system_bus_socket");
    } else {
        runtime = secure_getenv("XDG_RUNTIME_DIR");
        if (runtime == NULL || runtime[0] != '/')
            return false;
        used = snprintf(address, size, "unix:path=%s/bus", runtime);
    }
    return (size_t)used < size;
}

/* Reads more of the bus's lines to `answer`, a string of `*used` characters. */
static int bus_socket_hear(int fd, char answer[LINES_MAX_BYTES], size_t *used, int64_t deadline)
{
    ssize_t got;
    int failed;

    if (*used == LINES_MAX_BYTES - 1)
        return -EBADMSG;
    failed = deadline_poll(fd, POLLIN, deadline);
    if (failed != 0)
        return failed;
    got = recv(fd, answer + *used, LINES_MAX_BYTES - 1 - *used, MSG_DONTWAIT);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    *used += (size_t)got;
    answer[*used] = '\0';
    return got == 0 ? -ECONNRESET : 0;
}

/* What the lines of the bus say to a client: 0, -EACCES or another negative errno; -EAGAIN
 * while they are not whole. Nothing may follow them: no message was sent that could have an answer.
 */
static int bus_socket_judge(const char *answer)
{
    static const char agree[] = "AGREE_UNIX_FD\r\n";
    static const char starts[][5] = {"DATA", "OK "};
    const char *end;
    size_t i;

    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++, answer = end + 2) {
        end = strstr(answer, "\r\n");
        if (end == NULL)
            return -EAGAIN;
        if (strncmp(answer, starts[i], strlen(starts[i])) != 0)
            return -EACCES;
    }
    if (strstr(answer, "\r\n") == NULL)
        return -EAGAIN;
    return strcmp(answer, agree) == 0 ? 0 : -EPROTONOSUPPORT;
}

/*
 * D-Bus specification, "Authentication Protocol". The client's lines do not depend on the answers,
 * so they are sent at once, except for the last line: a filtering proxy takes that only after the
 * answers. The user is not named: the bus then takes the kernel's word, which is right where the
 * client's own number is one of its user namespace. Returns 0, -EACCES or another negative errno.
 */
static int bus_socket_authenticate(int fd, int64_t deadline)
{
    /* The zero byte starts every connection. */
    static const char lines[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n";
    char answer[LINES_MAX_BYTES] = "";
    size_t heard = 0;
    int failed;

    failed = bus_socket_send(fd, lines, sizeof(lines) - 1, deadline);
    while (failed == 0) {
        failed = bus_socket_hear(fd, answer, &heard, deadline);
        if (failed == 0)
            failed = bus_socket_judge(answer);
        if (failed == 0)
            return 0;
        if (failed == -EAGAIN)
            failed = 0;
    }
    return failed;
}

int bus_socket_open(enum conf_bus bus, int64_t deadline, char *why, size_t why_size)
{
    const char *name = bus == CONF_BUS_SESSION ? "session" : "system";
    char address[1024];
    int fd, failed;

    if (!bus_socket_address(address, sizeof(address), bus)) {
        snprintf(why, why_size,
                 "no address of the %s bus: set DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR", name);
        return -EDESTADDRREQ;
    }
    fd = bus_socket_connect(address, deadline);
    failed = fd < 0 ? fd : bus_socket_authenticate(fd, deadline);
    if (failed == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    snprintf(why, why_size, "cannot connect to the %s bus at %.120s: %s", name, address,
             strerror(-failed));
    return failed;
}
