/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests' service manager, with this program itself as the service. */
#include "emulator.h"
#include "keeper.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define ROOM    4 /* descriptors that are kept */

struct bench {
    char dir[32], self[256];
    int meeting; /* a listening socket, where the service connects to */
    int peer;    /* of the service's connection */
    struct keeper *keeper;
};

static struct sockaddr_un address_of(const char *dir, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name);
    return address;
}

/* Sends a message to the service manager, with a descriptor unless that is -1. */
static void tell(const char *dir, const char *text, int fd)
{
    struct sockaddr_un address = address_of(dir, "notify");
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1};
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    }
    if (sendmsg(sender, &message, 0) < 0)
        _exit(90);
    close(sender);
}

/* The number of the passed descriptor with that name, or -1. */
static int find_passed(const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");
    size_t length = strlen(name);

    if (!names || !getenv("LISTEN_PID") || atoi(getenv("LISTEN_PID")) != getpid())
        return -1;
    for (int fd = 3; names; fd++) {
        if (strncmp(names, name, length) == 0 && (names[length] == ':' || names[length] == '\0'))
            return fd;
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
    }
    return -1;
}

/* What the test asks of the service. */
static void serve(const char *dir, int fd, char order)
{
    int memory;

    switch (order) {
    case 'm': /* memory that is full of `m`, and a descriptor that is not looked at */
        memory = memfd_create("memory", MFD_CLOEXEC);
        if (write(memory, "m", 1) != 1)
            _exit(91);
        tell(dir, "FDSTORE=1\nFDNAME=s0", memory);
        tell(dir, "FDSTORE=1\nFDNAME=l\nFDPOLL=0", socket(AF_UNIX, SOCK_STREAM, 0));
        break;
    case 'r':
        tell(dir, "FDSTOREREMOVE=1\nFDNAME=s0", -1);
        break;
    case 'd':
        tell(dir, "FDSTORE=1\nFDNAME=c", dup(fd));
        break;
    case 'f':
        for (unsigned i = 0; i < ROOM; i++)
            tell(dir, "FDSTORE=1\nFDNAME=f", memfd_create("memory", MFD_CLOEXEC));
        break;
    case 'x':
        _exit(EXIT_FAILURE);
    case 'k': /* the last words of a process that is killed */
        tell(dir, "FDSTORE=1\nFDNAME=last", memfd_create("memory", MFD_CLOEXEC));
        raise(SIGKILL);
        break;
    default:
        _exit(92);
    }
    if (write(fd, &order, 1) != 1)
        _exit(93);
}

/* Says `n` on a new connection, `o` on one that it was passed, `O` with the memory. */
static int service(const char *dir)
{
    struct sockaddr_un address = address_of(dir, "meeting");
    int fd = find_passed("c"), memory = find_passed("s0");
    char order = fd < 0 ? 'n' : 'o';

    if (fd < 0) {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
            return 94;
        tell(dir, "FDSTORE=1\nFDNAME=c", fd);
    }
    if (memory >= 0 && (pread(memory, &order, 1, 0) != 1 || order != 'm'))
        return 95;
    if (memory >= 0)
        order = 'O';
    tell(dir, "READY=1", -1);
    if (write(fd, &order, 1) != 1)
        return 96;
    while (read(fd, &order, 1) == 1)
        serve(dir, fd, order);
    pause();
    return 97;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    const char *argv[] = {bench->self, "service", bench->dir, NULL};
    struct sockaddr_un address;

    assert_non_null(bench);
    strcpy(bench->dir, "/tmp/tabrmd-keeper.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    assert_true(readlink("/proc/self/exe", bench->self, sizeof(bench->self) - 1) > 0);
    address = address_of(bench->dir, "meeting");
    bench->meeting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(bench->meeting, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(bench->meeting, 5), 0);
    bench->keeper = keeper_new(&(struct keeper_setup){
        .directory = bench->dir, .argv = argv, .max = ROOM, .listening = -1});
    assert_non_null(bench->keeper);
    assert_true(keeper_start(bench->keeper));
    bench->peer = accept4(bench->meeting, NULL, NULL, SOCK_CLOEXEC);
    assert_true(bench->peer >= 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_un address = address_of(bench->dir, "meeting");

    keeper_free(bench->keeper);
    close(bench->peer);
    close(bench->meeting);
    unlink(address.sun_path);
    assert_int_equal(rmdir(bench->dir), 0);
    free(bench);
    return 0;
}

static void expect(const struct bench *bench, char said)
{
    struct pollfd readable = {.fd = bench->peer, .events = POLLIN};
    char byte = 0;

    assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
    assert_int_equal(read(bench->peer, &byte, 1), 1);
    assert_int_equal(byte, said);
}

static void order(const struct bench *bench, char what)
{
    assert_int_equal(write(bench->peer, &what, 1), 1);
    expect(bench, what);
}

static void test_what_is_stored_comes_back_after_a_kill(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    order(bench, 'm');
    assert_true(keeper_await_kept(bench->keeper, NULL, 3));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(keeper_kill(bench->keeper, SIGKILL));
        expect(bench, 'O');
        assert_int_equal(keeper_status(bench->keeper), 128 + SIGKILL);
    }
    assert_int_equal(keeper_starts(bench->keeper), 4);
    assert_int_equal(keeper_kept(bench->keeper, "s0"), 1);
    assert_int_equal(keeper_kept(bench->keeper, "c"), 1);
    order(bench, 'r');
    assert_true(keeper_await_kept(bench->keeper, "s0", 0));
    assert_true(keeper_restart(bench->keeper));
    expect(bench, 'o');
    assert_int_equal(keeper_status(bench->keeper), 128 + SIGUSR1);
}

static void test_a_failure_is_a_restart_and_an_end_is_none(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    assert_int_equal(write(bench->peer, "x", 1), 1);
    assert_true(keeper_await_ready(bench->keeper, 2));
    assert_int_equal(keeper_status(bench->keeper), EXIT_FAILURE);
    expect(bench, 'o');
    keeper_signal(bench->keeper, SIGTERM);
    assert_true(keeper_await_kept(bench->keeper, NULL, 0));
    assert_true(keeper_await_ended(bench->keeper));
    assert_int_equal(keeper_starts(bench->keeper), 2);
}

static void test_a_stop_drops_what_is_stored(void **state)
{
    struct bench *bench = *state;
    char byte;

    expect(bench, 'n');
    order(bench, 'm');
    assert_int_equal(keeper_stop(bench->keeper), 128 + SIGTERM);
    assert_int_equal(keeper_kept(bench->keeper, NULL), 0);
    assert_int_equal(keeper_pid(bench->keeper), 0);
    assert_int_equal(read(bench->peer, &byte, 1), 0);
    assert_true(keeper_start(bench->keeper));
    assert_true(keeper_await_kept(bench->keeper, "c", 1));
}

static void test_who_hangs_up_is_dropped(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    order(bench, 'm');
    assert_true(keeper_await_kept(bench->keeper, NULL, 3));
    assert_int_equal(shutdown(bench->peer, SHUT_RDWR), 0);
    /* The memory cannot, and of the other one nobody is to know. */
    assert_true(keeper_await_kept(bench->keeper, NULL, 2));
    assert_int_equal(keeper_kept(bench->keeper, "c"), 0);
}

static void test_one_is_kept_once_and_no_more_than_fit(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    order(bench, 'd');
    order(bench, 'f');
    order(bench, 'm');
    assert_true(keeper_await_kept(bench->keeper, "f", ROOM - 1));
    keeper_pause(bench->keeper, true);
    keeper_signal(bench->keeper, SIGKILL);
    assert_true(keeper_await_ended(bench->keeper));
    assert_int_equal(keeper_kept(bench->keeper, "c"), 1);
    assert_int_equal(keeper_kept(bench->keeper, NULL), ROOM);
    assert_int_equal(keeper_refused(bench->keeper), 3);
}

static void test_last_words_are_heard_late(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    keeper_hold(bench->keeper, true);
    order(bench, 'd');
    assert_int_equal(write(bench->peer, "k", 1), 1);
    assert_true(keeper_await_kept(bench->keeper, "last", 1));
    keeper_hold(bench->keeper, false);
    assert_true(keeper_await_ready(bench->keeper, 2));
    expect(bench, 'o');
}

static void test_nobody_else_is_heard(void **state)
{
    struct bench *bench = *state;

    expect(bench, 'n');
    tell(bench->dir, "FDSTOREREMOVE=1\nFDNAME=c", -1);
    tell(bench->dir, "FDSTORE=1\nFDNAME=z", STDERR_FILENO);
    order(bench, 'm');
    assert_true(keeper_await_kept(bench->keeper, "l", 1));
    assert_int_equal(keeper_kept(bench->keeper, "c"), 1);
    assert_int_equal(keeper_kept(bench->keeper, "z"), 0);
    assert_int_equal(keeper_strangers(bench->keeper), 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_stored_comes_back_after_a_kill, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_failure_is_a_restart_and_an_end_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_drops_what_is_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_hangs_up_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_is_kept_once_and_no_more_than_fit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_last_words_are_heard_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_else_is_heard, setup, teardown),
    };

    if (argc == 3 && strcmp(argv[1], "service") == 0)
        return service(argv[2]);
    emulator_lacks("programs of the processor's that programs start");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
