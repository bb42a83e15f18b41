/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that others pass over a Unix socket with their bytes (SCM_RIGHTS, unix(7)), and that
 * tabrmd has no use for. Closing them is the danger: close() of the last descriptor of a socket
 * waits for as long as the socket's maker wants (SO_LINGER, socket(7)). The kernel also closes
 * descriptors that a receiver has no room for, and descriptors that are unread in a socket that is
 * closed. So a thread that others depend on closes none of them, in none of these ways.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From now on the kernel lets nobody pass descriptors to the socket, nor to the sockets of those
 * who connect to it. No effect before Linux 6.16. */
void descriptors_refuse(int socket);

/* Whether the kernel lets nobody pass descriptors to a connected stream socket, and did not since
 * the socket was connected (descriptors_refuse() on its listening socket). A socket for which that
 * is not so is prepared for descriptors_look(). */
bool descriptors_are_refused(int socket);

/* As recv() of a stream socket with MSG_PEEK and MSG_DONTWAIT: the count of bytes that can be
 * received now without descriptors. -1 with EPROTO: descriptors come with the bytes. */
ssize_t descriptors_look(int socket, void *bytes, size_t size);

/* Ends a stream socket, connected or listening, over which descriptors may have been passed, and
 * closes it; in another thread if there may be unread ones. Its peer sees the end also where
 * another process has a descriptor of the socket. */
void descriptors_end(int socket);

/* The number of a socket, which no other one of the machine ever has (SO_COOKIE, socket(7)). 0
 * where it has none. */
uint64_t descriptors_cookie(int socket);

/* Has another thread close a descriptor that was passed, so that the caller waits for nobody. */
void descriptors_close(int fd);
