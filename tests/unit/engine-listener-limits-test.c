/* SPDX-License-Identifier: BSD-2-Clause */
/* The listening socket where something is out, full or forbidden; and that nothing is left open. */
#include "base/log.h"
#include "descriptor-count.h"
#include "engine/listener.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

/* What the next call fails with, once. */
static int listen_fails;

int listen(int fd, int backlog)
{
    errno = listen_fails;
    listen_fails = 0;
    return errno != 0 ? -1 : (int)syscall(SYS_listen, fd, backlog);
}

struct place {
    char dir[32], path[64];
    unsigned fds; /* that were open before */
};

static int setup(void **state)
{
    static struct place place;

    strcpy(place.dir, "/tmp/tabrmd-listener.XXXXXX");
    assert_non_null(mkdtemp(place.dir));
    snprintf(place.path, sizeof(place.path), "%s/socket", place.dir);
    place.fds = descriptor_count();
    *state = &place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    unlink(place->path);
    assert_int_equal(rmdir(place->dir), 0);
    assert_int_equal(descriptor_count_settled(place->fds), place->fds);
    return 0;
}

static struct listener *make(const struct place *place)
{
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener = listener_new(place->path, "root", &fault, text);

    assert_non_null(listener);
    return listener;
}

static void expect_fault(const char *path, enum listener_fault fault)
{
    char text[LISTENER_TEXT];
    enum listener_fault found;

    assert_null(listener_new(path, "root", &found, text));
    assert_int_equal(found, fault);
}

/* A client, which does not wait for its place in the queue. */
static int reach(const struct place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, place->path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* That a newcomer was told that it is refused, and let go. */
static void expect_refusal(int fd)
{
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE + 1], expected[CONTROL_FRAME_REPLY_SIZE];

    control_frame_reply_store(expected, CONTROL_FRAME_HELLO, TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(recv(fd, reply, sizeof(reply), MSG_WAITALL), CONTROL_FRAME_REPLY_SIZE);
    assert_memory_equal(reply, expected, sizeof(expected));
}

/* Nobody takes a socket over because its queue is full. */
static void test_full_queue_is_an_answer(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place);
    int fds[2 * LISTENER_BACKLOG], count = 0;

    while ((fds[count] = reach(place)) >= 0)
        assert_true(++count < 2 * LISTENER_BACKLOG);
    expect_fault(place->path, LISTENER_TAKEN);
    assert_int_equal(access(place->path, F_OK), 0);
    while (count > 0)
        close(fds[--count]);
    listener_free(listener);
}

static void test_what_fails_leaves_nothing_open(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place);
    int fd;

    expect_fault(place->path, LISTENER_TAKEN);
    listener_free(listener);
    expect_fault("/nonexistent/socket", LISTENER_PLACE);
    fd = open(place->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    expect_fault(place->path, LISTENER_PLACE);
    close(fd);
    unlink(place->path);
    /* Nor is a file left of a socket on which nobody can listen. */
    listen_fails = ENOBUFS;
    expect_fault(place->path, LISTENER_RESOURCES);
    assert_int_equal(access(place->path, F_OK), -1);
}

/* Descriptors are out: each newcomer is told so, as often as it takes; who is not there is not. */
static void test_R58_newcomers_without_descriptors_are_told(void **state)
{
    struct place *place = *state;
    struct listener *listener = make(place);
    int first = reach(place), second = reach(place), third = reach(place), fd;
    struct rlimit before, none;
    uint32_t uid = 12345;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    fd = dup(first);
    none = (struct rlimit){(rlim_t)fd, before.rlim_max};
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(listener_accept(listener, &uid), -EMFILE);
    assert_int_equal(listener_accept(listener, &uid), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(uid, 12345);
    expect_refusal(first);
    expect_refusal(second);
    /* The one that comes after them is let in. */
    fd = listener_accept(listener, &uid);
    assert_true(fd >= 0);
    assert_int_equal(uid, geteuid());
    assert_false(listener_is_gone(fd));
    assert_int_equal(send(third, "x", 1, 0), 1);
    assert_false(listener_is_gone(fd));
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(listener_accept(listener, &uid), -EAGAIN);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(first);
    close(second);
    close(third);
    listener_free(listener);
}

/* Without the spare descriptor nobody can be told; it is had again once there is one. */
static void test_R58_the_spare_descriptor_comes_back(void **state)
{
    struct place *place = *state;
    struct rlimit before, none;
    struct listener *listener;
    int newcomer, lowest, fd;
    uint32_t uid;

    listener = make(place);
    fd = fcntl(listener_fd(listener), F_DUPFD_CLOEXEC, 3);
    newcomer = reach(place);
    lowest = dup(newcomer);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)lowest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* Adopted when there is none for it. */
    listener_free(listener);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
    listener = listener_adopt(fd);
    assert_non_null(listener);
    assert_int_equal(listener_accept(listener, &uid), -ENOBUFS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    fd = listener_accept(listener, &uid);
    assert_true(fd >= 0);
    close(fd);
    close(newcomer);
    listener_free(listener);
}

static void test_who_is_gone(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_false(listener_is_gone(ends[0]));
    assert_int_equal(send(ends[1], "x", 1, 0), 1);
    close(ends[1]);
    assert_false(listener_is_gone(ends[0]));
    close(ends[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    close(ends[1]);
    assert_true(listener_is_gone(ends[0]));
    close(ends[0]);
}

/* The socket is given to the group, which may connect. */
static void test_R44_given_to_another_group(void **state)
{
    struct place *place = *state;
    const struct group *group = getgrnam("daemon");
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener;
    struct stat status;
    gid_t found = 0;

    if (geteuid() != 0 || !group)
        skip();
    listener = listener_new(place->path, "daemon", &fault, text);
    assert_non_null(listener);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0660);
    assert_int_equal(status.st_gid, group->gr_gid);
    assert_true(listener_group(listener, &found));
    assert_int_equal(found, group->gr_gid);
    unlink(place->path);
    assert_false(listener_group(listener, &found));
    listener_free(listener);
}

/* A user who is not in the group cannot give it the socket, and keeps it for itself. */
static void test_R44_a_group_of_others(void **state)
{
    struct place *place = *state;
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener;
    struct stat status;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(place->dir, 0777), 0);
    assert_int_equal(setegid(NOBODY), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    listener = listener_new(place->path, "root", &fault, text);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_non_null(listener);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0600);
    assert_int_equal(status.st_uid, NOBODY);
    listener_free(listener);
}

/* A socket without a file, as a service manager can pass one. */
static void test_R44_a_socket_without_a_file_has_no_group(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct listener *listener;
    gid_t group;

    (void)state;
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    listener = listener_adopt(fd);
    assert_non_null(listener);
    assert_false(listener_group(listener, &group));
    listener_free(listener);
}

int main(void)
{
#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        PLACE_TEST(test_full_queue_is_an_answer),
        PLACE_TEST(test_what_fails_leaves_nothing_open),
        PLACE_TEST(test_R58_newcomers_without_descriptors_are_told),
        PLACE_TEST(test_R58_the_spare_descriptor_comes_back),
        PLACE_TEST(test_who_is_gone),
        PLACE_TEST(test_R44_given_to_another_group),
        PLACE_TEST(test_R44_a_group_of_others),
        PLACE_TEST(test_R44_a_socket_without_a_file_has_no_group),
    };
#undef PLACE_TEST

    /* Standard output is the test protocol's. */
    log_open(LOG_SINK_SYSLOG, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
