/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to a Unix socket within a deadline. libc only; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Connects to the SOCK_STREAM socket named by the `length` bytes at `path`, at most 107; the first
 * byte is 0 for a name of the abstract namespace. Returns a descriptor that is closed on exec, or a
 * negative errno; -ETIMEDOUT when the listener's queue stays full. The descriptor blocks, except
 * for sends: they give EAGAIN after the time that connecting had.
 */
int connect_socket(const char *path, size_t length, int64_t deadline);
