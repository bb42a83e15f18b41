/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A D-Bus connection as far as messages are opaque bytes: finding the bus, authenticating to it,
 * and moving bytes and descriptors. libc only. The descriptor is closed on exec; no thread exists
 * behind it, so a forked child need only close it.
 *
 * Functions that can fail return a negative errno: -ETIMEDOUT when the deadline came first. Else
 * they return a descriptor where they make one, and 0 where they do not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "conf.h"

/* More descriptors than any message that is meant for us has. */
#define BUS_SOCKET_MAX_FDS 8

/* What ends the authentication; the first message follows it. */
#define BUS_SOCKET_BEGIN      "BEGIN\r\n"
#define BUS_SOCKET_BEGIN_SIZE (sizeof(BUS_SOCKET_BEGIN) - 1)

struct bus_socket_fds {
    size_t count;
    int fds[BUS_SOCKET_MAX_FDS];
};

/* Connects to the bus and authenticates, with descriptor passing agreed on; BUS_SOCKET_BEGIN is the
 * next to be sent. Returns a descriptor; or a negative errno, -EACCES or -EPERM where the bus does
 * not let this user in, with a sentence in the `why_size` bytes at `why`. */
int bus_socket_open(enum conf_bus bus, int64_t deadline, char *why, size_t why_size);

/*
 * Connects to the first address in the D-Bus address list `addresses` that takes a connection.
 * Returns a descriptor or a negative errno: -EPROTONOSUPPORT when none is of a Unix socket, which
 * alone can pass descriptors; -EINVAL when one is malformed.
 */
int bus_socket_connect(const char *addresses, int64_t deadline);

/* Sends all bytes. */
int bus_socket_send(int fd, const void *bytes, size_t size, int64_t deadline);

/* Receives `size` bytes, adding descriptors that come along to `fds`; `*done` counts the bytes.
 * -EBADMSG for more descriptors than there is room for. */
int bus_socket_receive(int fd, void *bytes, size_t size, size_t *done, struct bus_socket_fds *fds,
                       int64_t deadline);

/* Closes all descriptors in `fds`. */
void bus_socket_fds_close(struct bus_socket_fds *fds);
