/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager, which the test plays, is sent to keep; and memory that is kept. */
#include "engine/keeper.h"

#include "engine/kept-memory.h"
#include "log-capture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 100

struct bench {
    char dir[32], path[64];
    int fd; /* the service manager's socket */
    struct keeper *keeper;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct sockaddr_un address;
    socklen_t size;

    assert_non_null(bench);
    strcpy(bench->dir, "/tmp/tabrmd-keeper.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    snprintf(bench->path, sizeof(bench->path), "%s/notify", bench->dir);
    assert_true(keeper_address(bench->path, &address, &size));
    bench->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(bench->fd, (const struct sockaddr *)&address, size), 0);
    bench->keeper = keeper_new(bench->path, MOST);
    assert_non_null(bench->keeper);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    keeper_free(bench->keeper);
    close(bench->fd);
    unlink(bench->path);
    assert_int_equal(rmdir(bench->dir), 0);
    free(bench);
    return 0;
}

/* Takes a message that must be there, and gives the descriptor that came with it, or -1. */
static int expect(const struct bench *bench, const char *wanted)
{
    char text[512] = "";
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int fd = -1;

    assert_true(recvmsg(bench->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0);
    assert_string_equal(text, wanted);
    if (message.msg_controllen > 0)
        memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    return fd;
}

static void expect_same(int fd, int other)
{
    struct stat one, two;

    assert_int_equal(fstat(fd, &one), 0);
    assert_int_equal(fstat(other, &two), 0);
    assert_int_equal(one.st_ino, two.st_ino);
    close(fd);
}

static void test_what_is_sent(void **state)
{
    struct bench *bench = *state;
    int pair[2];

    assert_int_equal(keeper_connections(bench->keeper), MOST - KEEPER_SPARE);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(keeper_store_connection(bench->keeper, pair[0]), 0);
    expect_same(expect(bench, "FDSTORE=1\nFDNAME=c"), pair[0]);
    assert_int_equal(keeper_store(bench->keeper, KEEPER_JOURNAL_0, pair[1]), 0);
    expect_same(expect(bench, "FDSTORE=1\nFDNAME=s0\nFDPOLL=0"), pair[1]);
    assert_int_equal(keeper_remove(bench->keeper, KEEPER_JOURNAL_1), 0);
    assert_int_equal(expect(bench, "FDSTOREREMOVE=1\nFDNAME=s1"), -1);
    close(pair[0]);
    close(pair[1]);
}

static void test_there_is_no_keeper_without_address_or_room(void **state)
{
    struct bench *bench = *state;
    static const char *const bad[] = {NULL,       "",          "/",
                                      "relative", "vsock:2:3", "/nonexistent/notify"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(keeper_new(bad[i], MOST));
    assert_null(keeper_new(bench->path, KEEPER_SPARE));
    assert_int_equal(errno, EINVAL);
}

/* A service manager that does not read: nobody waits for it, and nothing is lost. */
static void test_a_full_queue_is_to_be_tried_again(void **state)
{
    struct bench *bench = *state;
    int pair[2], error = 0;
    unsigned sent = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    while (sent < 100000 && (error = keeper_store_connection(bench->keeper, pair[0])) == 0)
        sent++;
    assert_int_equal(error, -EAGAIN);
    close(expect(bench, "FDSTORE=1\nFDNAME=c"));
    assert_int_equal(keeper_store_connection(bench->keeper, pair[0]), 0);
    for (unsigned i = 0; i < sent; i++)
        close(expect(bench, "FDSTORE=1\nFDNAME=c"));
    close(pair[0]);
    close(pair[1]);
}

static void test_a_service_manager_that_is_gone_is_told_of_once(void **state)
{
    struct bench *bench = *state;
    struct log_capture *capture = log_capture_begin(LOG_LEVEL_WARNING);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(bench->fd);
    assert_int_equal(keeper_store_connection(bench->keeper, pair[0]), -ECONNREFUSED);
    assert_int_equal(keeper_store(bench->keeper, KEEPER_LISTENER, pair[0]), -ENOTCONN);
    log_capture_end(capture);
    assert_non_null(strstr(log_capture_line(capture), "cannot be sent descriptors"));
    assert_string_equal(log_capture_line(capture), "");
    log_capture_free(capture);
    bench->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    close(pair[0]);
    close(pair[1]);
}

/* In a process of its own: whether a byte can be stored to. */
static bool can_store(uint8_t *byte)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *(volatile uint8_t *)byte = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_memory_outlives_its_maker(void **state)
{
    struct kept_memory made, read;
    int fd;

    (void)state;
    assert_int_equal(kept_memory_make(&made), 0);
    assert_true(made.memory.capacity >= (size_t)1 << 24);
    assert_true(made.memory.make_room(made.memory.data, 0, 65536));
    assert_true(made.memory.make_room(made.memory.data, 1 << 20, 4096));
    assert_int_equal(made.memory.bytes[(1 << 20) + 4095], 0);
    strcpy((char *)made.memory.bytes, "header");
    strcpy((char *)made.memory.bytes + (1 << 20), "shelf");
    fd = fcntl(made.fd, F_DUPFD_CLOEXEC, 0);
    kept_memory_clear(&made);
    kept_memory_clear(&made);

    assert_int_equal(kept_memory_open(&read, fd), 0);
    assert_int_equal(read.memory.capacity, (1 << 20) + 4096);
    assert_string_equal((const char *)read.memory.bytes, "header");
    assert_string_equal((const char *)read.memory.bytes + (1 << 20), "shelf");
    /* Only the header is written to, and nobody makes it shorter. */
    read.memory.bytes[0] = 'H';
    assert_false(can_store(read.memory.bytes + 4096));
    assert_int_equal(ftruncate(read.fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    kept_memory_clear(&read);
}

static void test_want_of_memory_is_an_error(void **state)
{
    const struct rlimit small = {1 << 20, RLIM_INFINITY};
    struct rlimit before;
    struct kept_memory made;

    (void)state;
    assert_int_equal(kept_memory_make(&made), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(made.memory.make_room(made.memory.data, made.memory.capacity, 1));
    assert_false(made.memory.make_room(made.memory.data, 1, made.memory.capacity));
    assert_false(made.memory.make_room(made.memory.data, SIZE_MAX, 4096));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(made.memory.make_room(made.memory.data, 1 << 20, 4096));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_true(made.memory.make_room(made.memory.data, 1 << 20, 4096));
    kept_memory_clear(&made);
}

static void test_odd_memory_is_refused(void **state)
{
    struct kept_memory read;
    int unsealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int small = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int large = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int read_only = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int odd[] = {unsealed, small, large, read_only, null, -1};

    (void)state;
    assert_int_equal(ftruncate(unsealed, 1 << 20), 0);
    assert_int_equal(ftruncate(small, 4095), 0);
    assert_int_equal(ftruncate(large, (off_t)KEPT_MEMORY_MOST + 1), 0);
    assert_int_equal(ftruncate(read_only, 1 << 20), 0);
    assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(fcntl(large, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(fcntl(read_only, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE), 0);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_true(kept_memory_open(&read, odd[i]) < 0);
        assert_null(read.memory.bytes);
        /* It is the caller's all the same. */
        if (odd[i] >= 0)
            assert_int_equal(close(odd[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_there_is_no_keeper_without_address_or_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_full_queue_is_to_be_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_service_manager_that_is_gone_is_told_of_once, setup,
                                        teardown),
        cmocka_unit_test(test_memory_outlives_its_maker),
        cmocka_unit_test(test_want_of_memory_is_an_error),
        cmocka_unit_test(test_odd_memory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
