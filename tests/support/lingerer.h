/* SPDX-License-Identifier: BSD-2-Clause */
/* A descriptor that takes its time to be closed, passed to somebody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A TCP connection with SO_LINGER of an hour and bytes that nobody takes: whoever closes it last
 * waits for that hour. Its other end, which is to stay open until then, in *peer. -1 where the
 * machine has no loopback interface.
 */
int lingerer_open(int *peer);

/* Sends the bytes with a descriptor, by send(2)'s `flags`, and closes that: only the message has it
 * then. False, with errno, when the socket takes none. */
bool lingerer_pass(int socket, const void *bytes, size_t size, int fd, int flags);
