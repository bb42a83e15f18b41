/* SPDX-License-Identifier: BSD-2-Clause */
#include "log-capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct log_capture *log_capture_begin(enum log_level level)
{
    struct log_capture *capture = calloc(1, sizeof(*capture));
    int fds[2];

    assert_non_null(capture);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    fflush(stdout);
    capture->real = dup(STDOUT_FILENO);
    capture->reader = fds[0];
    assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
    close(fds[1]);
    log_open(LOG_SINK_STDOUT, level);
    return capture;
}

void log_capture_end(struct log_capture *capture)
{
    if (capture->real < 0)
        return;
    dup2(capture->real, STDOUT_FILENO);
    close(capture->real);
    capture->real = -1;
}

void log_capture_free(struct log_capture *capture)
{
    log_capture_end(capture);
    if (capture->reader >= 0)
        close(capture->reader);
    free(capture);
}

const char *log_capture_line(const struct log_capture *capture)
{
    static char line[2048 + 1];
    ssize_t size = recv(capture->reader, line, sizeof(line) - 1, 0);

    line[size > 0 ? size : 0] = '\0';
    return line;
}
