/* SPDX-License-Identifier: BSD-2-Clause */
/* The datagram socket of a log, which is never waited for. No lock of its own. */
#pragma once

#include <stddef.h>

struct log_socket {
    const char *path; /* where the log listens */
    int fd;           /* connected to it, or -1 */
};

enum log_socket_result {
    LOG_SOCKET_TAKEN,
    LOG_SOCKET_FULL,  /* nobody reads there now */
    LOG_SOCKET_ABSENT /* there is nothing to send to */
};

/* Sends one datagram, if it is taken at once. A log that was started anew is connected to again. */
enum log_socket_result log_socket_send(struct log_socket *log, const void *bytes, size_t size);
