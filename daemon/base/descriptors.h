/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that others pass over a Unix socket with their bytes (SCM_RIGHTS, unix(7)), for which
 * nobody here has a use. To close one is the danger: whoever closes the last descriptor of a socket
 * waits for as long as the one who made it wants (SO_LINGER, socket(7)), and the kernel closes also
 * what a receiver has no room for, and what is unread in a socket that is closed. So a thread that
 * others depend on closes none of them, in none of these ways.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* From now on the kernel lets nobody pass descriptors to the socket, nor to the sockets of those
 * who connect to it. No effect before Linux 6.16. */
void descriptors_refuse(int socket);

/* Whether the kernel lets nobody pass descriptors to a connected stream socket, nor did since it
 * was connected; unless it was descriptors_refuse()d later. For others it is prepared for
 * descriptors_receive(). */
bool descriptors_are_refused(int socket);

/* As recv() of a stream socket with MSG_DONTWAIT; or nothing is received and errno is EPROTO:
 * descriptors come with the bytes. */
ssize_t descriptors_receive(int socket, void *bytes, size_t size);

/* Closes a stream socket, connected or listening, over which descriptors may have been passed; in
 * another thread if there may be some. Nobody else has it. */
void descriptors_end(int socket);

/* Has another thread close a descriptor that was passed; whoever made it is not waited for. */
void descriptors_close(int fd);
