/* SPDX-License-Identifier: BSD-2-Clause */
/* The log, where nobody reads it: each call returns. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* More lines than any pipe or socket has room for. */
#define LINES 20000

/* A call that does not return is ended with the test. */
#define TIMEOUT_S 60

static void write_lines(int fd)
{
    int real;

    fflush(stdout);
    real = dup(STDOUT_FILENO);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    alarm(TIMEOUT_S);
    for (int i = 0; i < LINES; i++)
        log_error("line %d", i);
    alarm(0);
    dup2(real, STDOUT_FILENO);
    close(real);
}

static void test_a_full_pipe_loses_lines(void **state)
{
    char line[64] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_INFO);
    write_lines(fds[1]);
    assert_true(read(fds[0], line, 22) == 22);
    assert_string_equal(line, "tabrmd: error: line 0\n");
    close(fds[0]);
    close(fds[1]);
}

static void test_a_full_stream_socket_loses_lines(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    log_open(LOG_SINK_STDOUT, LOG_LEVEL_INFO);
    write_lines(fds[1]);
    close(fds[0]);
    close(fds[1]);
}

static int listen_for_syslog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LOG_SOCKET};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void next_packet(int fd, char *packet, size_t size)
{
    ssize_t got = recv(fd, packet, size - 1, MSG_DONTWAIT);

    assert_true(got > 0);
    packet[got] = '\0';
}

static void test_syslog_away_full_and_back(void **state)
{
    char dir[] = "/tmp/tabrmd-log.XXXXXX", packet[512];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_INFO);
    alarm(TIMEOUT_S);
    log_error("nobody is there");
    for (unsigned round = 0; round < 2; round++) {
        fd = listen_for_syslog();
        for (int i = 0; i < LINES; i++)
            log_warning("line %d", i);
        /* What was said to nobody is counted. */
        next_packet(fd, packet, sizeof(packet));
        assert_non_null(strstr(packet, "lines of this log are missing"));
        next_packet(fd, packet, sizeof(packet));
        /* LOG_DAEMON and LOG_WARNING, RFC 3164. */
        assert_int_equal(strncmp(packet, "<28>", 4), 0);
        assert_non_null(strstr(packet, "tabrmd["));
        assert_string_equal(strstr(packet, "]: "), "]: line 0");
        close(fd);
        unlink(LOG_SOCKET);
    }
    alarm(0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pipe_loses_lines),
        cmocka_unit_test(test_a_full_stream_socket_loses_lines),
        cmocka_unit_test(test_syslog_away_full_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
