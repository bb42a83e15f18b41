/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to a bus as far as messages are opaque bytes: its lines, and bytes and descriptors in
 * pieces of any size. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus-socket.h"
#include "deadline.h"
#include "emulator.h"
#include "fake-daemon.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Instead of an errno: a call that moves no byte, and is no failure. */
#define NOTHING (-1)

/* With what the next calls of this thread fail, before one does not. */
static _Thread_local const int *sends_fail, *receives_fail;

/* What a call that fails returns, or 1 for one that does not. The errno is one that a call before
 * has left where it was no failure. */
static int fails(const int **errors)
{
    int failed = *errors != NULL ? **errors : 0;

    if (failed == 0)
        return 1;
    (*errors)++;
    errno = failed == NOTHING ? EIO : failed;
    return failed == NOTHING ? 0 : -1;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    int failed = fails(&sends_fail);

    return failed <= 0 ? failed : syscall(SYS_sendto, fd, bytes, size, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    int failed = fails(&receives_fail);

    return failed <= 0 ? failed : syscall(SYS_recvfrom, fd, bytes, size, flags, NULL, NULL);
}

/* The same, where the library was built with checks of sizes (_FORTIFY_SOURCE). */
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
    (void)room;
    return recv(fd, bytes, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    int failed = fails(&receives_fail);

    return failed <= 0 ? failed : syscall(SYS_recvmsg, fd, message, flags);
}

/* For what takes no time. */
#define PATIENCE_MS 60000

/* Says the bus's lines to a client, once that has said all of its own, and then no more. */
struct lines {
    int listener;
    const char *says;
    size_t piece; /* sent at once */
    bool stays;
    bool heard;
};

static void *say_lines(void *data)
{
    static const char expected[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n";
    struct lines *lines = data;
    int fd = accept4(lines->listener, NULL, NULL, SOCK_CLOEXEC);
    size_t size = strlen(lines->says), at;
    char heard[sizeof(expected)];

    lines->heard = recv(fd, heard, sizeof(heard) - 1, MSG_WAITALL) == sizeof(heard) - 1
                   && memcmp(heard, expected, sizeof(heard) - 1) == 0;
    for (at = 0; at < size; at += lines->piece)
        send(fd, lines->says + at, size - at < lines->piece ? size - at : lines->piece,
             MSG_NOSIGNAL);
    /* Who waits for more, for as long as this lasts, learns that there is none. */
    if (lines->stays)
        recv(fd, heard, 1, 0);
    close(fd);
    return data;
}

/* What becomes of a client to which a bus says that, and then leaves, or stays, for which the
 * client has so many milliseconds. */
static int hear_lines(const char *says, size_t piece, int stays_ms)
{
    struct fake_daemon daemon;
    struct lines lines = {.says = says, .piece = piece, .stays = stays_ms > 0};
    char address[80], why[256];
    pthread_t thread;
    int fd;

    fake_daemon_start(&daemon);
    lines.listener = daemon.listener;
    snprintf(address, sizeof(address), "unix:path=%s", daemon.path);
    assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, say_lines, &lines), 0);
    fd = bus_socket_open(CONF_BUS_SYSTEM, stays_ms > 0 ? deadline_in(stays_ms) : DEADLINE_NEVER,
                         why, sizeof(why));
    if (fd >= 0)
        close(fd);
    pthread_join(thread, NULL);
    fake_daemon_stop(&daemon);
    assert_true(lines.heard);
    return fd < 0 ? fd : 0;
}

static void test_lines_of_a_bus(void **state)
{
    static const struct {
        const char *says;
        int failed;
    } cases[] = {
        {"DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n", 0},
        {"DATA\r\nOK \r\nAGREE_UNIX_FD\r\n", 0},
        {"DATA 00\r\nOK 0123\r\nAGREE_UNIX_FD\r\n", 0},
        {"DATA\r\nOK 0123\r\nAGREE_UNIX_FD", -ECONNRESET},
        {"DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r", -ECONNRESET},
        {"DATA\r\nOK 0123\r", -ECONNRESET},
        {"DATA", -ECONNRESET},
        {"", -ECONNRESET},
        {"REJECTED EXTERNAL\r\n", -EACCES},
        {"DAT\r\nOK 0123\r\nAGREE_UNIX_FD\r\n", -EACCES},
        {"OK 0123\r\nDATA\r\nAGREE_UNIX_FD\r\n", -EACCES},
        {"DATA\r\nOK\r\nAGREE_UNIX_FD\r\n", -EACCES},
        {"DATA\r\nOK 0123\r\nERROR\r\n", -EPROTONOSUPPORT},
        {"DATA\r\nOK 0123\r\nAGREE_UNIX_FDS\r\n", -EPROTONOSUPPORT},
    };
    size_t i, piece, fds = fake_count_fds();

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (piece = 1; piece <= 100; piece += 33)
            if (hear_lines(cases[i].says, piece, 0) != cases[i].failed)
                fail_msg("case %zu in pieces of %zu", i, piece);
    assert_int_equal(hear_lines("DATA\r\nOK 0123\r\n", 15, 100), -ETIMEDOUT);
    assert_int_equal(fake_count_fds(), fds);
}

static void test_the_longest_lines_of_a_bus(void **state)
{
    static const char end[] = "\r\nAGREE_UNIX_FD\r\n";
    char says[513];

    (void)state;
    memset(says, 'a', sizeof(says));
    memcpy(says, "DATA\r\nOK ", 9);
    memcpy(says + 511 - strlen(end), end, sizeof(end));
    assert_int_equal(hear_lines(says, 511, 0), 0);
    memset(says + 9, 'a', sizeof(says) - 9);
    memcpy(says + 512 - strlen(end), end, sizeof(end));
    assert_int_equal(hear_lines(says, 512, 0), -EBADMSG);
    /* What has no end is not waited for. */
    memset(says, 'a', sizeof(says) - 1);
    assert_int_equal(hear_lines(says, 512, PATIENCE_MS), -EBADMSG);
}

/* Sends a byte with so many descriptors. */
static void pass(int fd, size_t count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(16 * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(count * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {(void *)(uintptr_t) "", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int passed = STDIN_FILENO;

    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &passed, sizeof(passed));
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), 1);
}

static void test_descriptors_of_several_messages(void **state)
{
    static const struct {
        size_t first, second, taken, done;
        int failed;
    } cases[] = {
        {0, 0, 0, 2, 0}, {1, 0, 1, 2, 0},        {0, 1, 1, 2, 0},        {3, 5, 8, 2, 0},
        {8, 0, 8, 2, 0}, {9, 0, 8, 0, -EBADMSG}, {1, 8, 8, 1, -EBADMSG}, {5, 6, 8, 1, -EBADMSG},
    };
    size_t i, j, done, fds = fake_count_fds();
    struct bus_socket_fds taken;
    uint8_t bytes[2];
    int ends[2];

    (void)state;
    if (emulator_is_kernel())
        skip(); /* it tells nothing of descriptors that did not fit (MSG_CTRUNC) */
    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        pass(ends[1], cases[i].first);
        pass(ends[1], cases[i].second);
        taken.count = 0;
        assert_int_equal(
            bus_socket_receive(ends[0], bytes, sizeof(bytes), &done, &taken, DEADLINE_NEVER),
            cases[i].failed);
        assert_int_equal(done, cases[i].done);
        assert_int_equal(taken.count, cases[i].taken);
        for (j = 0; j < taken.count; j++)
            assert_int_equal(fcntl(taken.fds[j], F_GETFD), FD_CLOEXEC);
        close(ends[0]);
        close(ends[1]);
        assert_int_equal(fake_count_fds(), fds + cases[i].taken);
        bus_socket_fds_close(&taken);
        assert_int_equal(taken.count, 0);
        assert_int_equal(fake_count_fds(), fds);
    }
}

/* Credentials, which come with a message where somebody asked for them, are no descriptors. */
static void test_credentials_are_no_descriptors(void **state)
{
    struct bus_socket_fds taken = {0};
    int ends[2], on = 1;
    uint8_t byte;
    size_t done;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    pass(ends[1], 0);
    assert_int_equal(bus_socket_receive(ends[0], &byte, 1, &done, &taken, DEADLINE_NEVER), 0);
    assert_int_equal(taken.count, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_receiving_ends(void **state)
{
    struct bus_socket_fds taken = {0};
    uint8_t bytes[4];
    size_t done = 9;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(send(ends[1], "abcdef", 6, 0), 6);
    assert_int_equal(bus_socket_receive(ends[0], bytes, 4, &done, &taken, DEADLINE_NOW), 0);
    assert_int_equal(done, 4);
    assert_memory_equal(bytes, "abcd", 4);
    assert_int_equal(bus_socket_receive(ends[0], bytes, 0, &done, &taken, DEADLINE_NOW), 0);
    assert_int_equal(done, 0);
    assert_int_equal(bus_socket_receive(ends[0], bytes, 4, &done, &taken, deadline_in(10)),
                     -ETIMEDOUT);
    assert_int_equal(done, 2);
    assert_memory_equal(bytes, "ef", 2);
    assert_int_equal(send(ends[1], "g", 1, 0), 1);
    shutdown(ends[1], SHUT_WR);
    errno = EAGAIN;
    assert_int_equal(bus_socket_receive(ends[0], bytes, 4, &done, &taken, DEADLINE_NEVER),
                     -ECONNRESET);
    assert_int_equal(done, 1);
    assert_int_equal(bytes[0], 'g');
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(bus_socket_receive(-1, bytes, 4, &done, &taken, DEADLINE_NOW), -ETIMEDOUT);
    /* What is no socket can be read, and not received from. */
    ends[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(bus_socket_receive(ends[0], bytes, 4, &done, &taken, DEADLINE_NEVER),
                     -ENOTSOCK);
    close(ends[0]);
}

/* A signal, and a wait that was for nothing, are no failure. */
static void test_what_is_tried_again(void **state)
{
    static const int again[] = {EINTR, EAGAIN, EINTR, 0}, broken[] = {EINTR, EIO, 0};
    static const int nothing[] = {NOTHING, 0};
    static const char good[] = "DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n";
    struct bus_socket_fds taken = {0};
    uint8_t bytes[8];
    size_t done;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    sends_fail = again;
    assert_int_equal(bus_socket_send(ends[1], "abc", 3, DEADLINE_NEVER), 0);
    assert_int_equal(*sends_fail, 0);
    receives_fail = again;
    assert_int_equal(bus_socket_receive(ends[0], bytes, 3, &done, &taken, DEADLINE_NEVER), 0);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(*receives_fail, 0);
    assert_int_equal(recv(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT), -1);
    sends_fail = nothing;
    assert_int_equal(bus_socket_send(ends[1], "abc", 3, DEADLINE_NEVER), 0);
    assert_int_equal(*sends_fail, 0);
    assert_int_equal(recv(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT), 3);
    sends_fail = broken;
    assert_int_equal(bus_socket_send(ends[1], "abc", 3, DEADLINE_NEVER), -EIO);
    assert_int_equal(bus_socket_send(ends[1], "abc", 3, DEADLINE_NEVER), 0);
    receives_fail = broken;
    assert_int_equal(bus_socket_receive(ends[0], bytes, 3, &done, &taken, DEADLINE_NEVER), -EIO);
    close(ends[0]);
    close(ends[1]);
    receives_fail = again;
    assert_int_equal(hear_lines(good, 100, false), 0);
    receives_fail = broken;
    assert_int_equal(hear_lines(good, 100, false), -EIO);
}

struct sending {
    const uint8_t *bytes;
    size_t size;
    int fd, failed;
};

static void *send_all(void *data)
{
    struct sending *sending = data;

    sending->failed = bus_socket_send(sending->fd, sending->bytes, sending->size, DEADLINE_NEVER);
    return NULL;
}

/* More than the socket holds, to one who reads it, to one who does not, and to one who left. */
static void test_sending_more_than_the_socket_holds(void **state)
{
    static uint8_t sent[1 << 20], seen[sizeof(sent)];
    struct sending sending = {sent, sizeof(sent), -1, 1};
    pthread_t thread;
    int ends[2];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    sending.fd = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, send_all, &sending), 0);
    assert_int_equal(recv(ends[1], seen, sizeof(seen), MSG_WAITALL), sizeof(seen));
    pthread_join(thread, NULL);
    assert_int_equal(sending.failed, 0);
    assert_memory_equal(seen, sent, sizeof(seen));
    assert_int_equal(recv(ends[1], seen, 1, MSG_DONTWAIT), -1);
    assert_int_equal(bus_socket_send(ends[0], sent, sizeof(sent), deadline_in(10)), -ETIMEDOUT);
    close(ends[1]);
    assert_int_equal(bus_socket_send(ends[0], sent, sizeof(sent), DEADLINE_NEVER), -EPIPE);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_a_bus),
        cmocka_unit_test(test_the_longest_lines_of_a_bus),
        cmocka_unit_test(test_descriptors_of_several_messages),
        cmocka_unit_test(test_credentials_are_no_descriptors),
        cmocka_unit_test(test_receiving_ends),
        cmocka_unit_test(test_what_is_tried_again),
        cmocka_unit_test(test_sending_more_than_the_socket_holds),
    };

    return cmocka_run_group_tests_name("client bus socket", tests, NULL, NULL);
}
