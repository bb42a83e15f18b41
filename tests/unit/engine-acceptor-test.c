/* SPDX-License-Identifier: BSD-2-Clause */
/* Newcomers come off the listening socket. */
#include "engine/acceptor.h"

#include "descriptor-count.h"
#include "descriptor-zero.h"
#include "log-capture.h"
#include "wire/control-frame.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 40

struct porch {
    char dir[32], path[64];
    struct loop loop;
    struct acceptor acceptor;
    unsigned accepted;
    uint32_t uid;
    int answer;        /* to newcomers */
    bool closes;       /* with the first one */
    int clients[MANY]; /* their own ends */
};

/* What the kernel says to the next calls for a newcomer, before it is asked: an errno, or ALWAYS
 * for one after the other without end; and how often it was called. */
enum { ALWAYS = -1 };
static const int *kernel_says;
static unsigned kernel_called;

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    int ends[2];

    kernel_called++;
    if (!kernel_says || *kernel_says == 0)
        return (int)syscall(SYS_accept4, fd, address, size, flags);
    if (*kernel_says == ALWAYS) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends), 0);
        close(ends[1]);
        return ends[0];
    }
    errno = *kernel_says++;
    return -1;
}

static int porch_accepted(void *data, uint32_t uid, int fd)
{
    struct porch *porch = data;

    porch->accepted++;
    porch->uid = uid;
    if (porch->closes)
        acceptor_close(&porch->acceptor);
    if (!porch->answer)
        close(fd);
    return porch->answer;
}

static int setup(void **state)
{
    static struct porch porch;
    char text[LISTENER_TEXT];
    enum listener_fault fault;
    struct listener *listener;

    porch = (struct porch){.dir = "/tmp/tabrmd-acceptor.XXXXXX"};
    log_threshold = LOG_LEVEL_SILENT;
    assert_non_null(mkdtemp(porch.dir));
    snprintf(porch.path, sizeof(porch.path), "%s/socket", porch.dir);
    assert_int_equal(loop_init(&porch.loop), 0);
    listener = listener_new(porch.path, "root", &fault, text);
    assert_non_null(listener);
    acceptor_init(&porch.acceptor, &porch.loop, listener, porch_accepted, &porch);
    *state = &porch;
    return 0;
}

static int teardown(void **state)
{
    struct porch *porch = *state;

    acceptor_close(&porch->acceptor);
    loop_clear(&porch->loop);
    rmdir(porch->dir);
    return 0;
}

static int reach(struct porch *porch, unsigned index)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, porch->path);
    porch->clients[index] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(porch->clients[index] >= 0);
    return connect(porch->clients[index], (const struct sockaddr *)&address, sizeof(address));
}

static void connect_client(struct porch *porch, unsigned index)
{
    assert_int_equal(reach(porch, index), 0);
}

static void test_newcomers_are_told_of_once_it_is_open(void **state)
{
    struct porch *porch = *state;

    connect_client(porch, 0);
    connect_client(porch, 1);
    loop_run(&porch->loop, 0, 1);
    assert_int_equal(porch->accepted, 0);
    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 2);
    assert_int_equal(porch->uid, geteuid());
    close(porch->clients[0]);
    close(porch->clients[1]);
}

static void test_refused_newcomer_is_told_so(void **state)
{
    struct porch *porch = *state;
    uint8_t reply[CONTROL_FRAME_REPLY_SIZE + 1];

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    porch->answer = -EUSERS;
    connect_client(porch, 0);
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(recv(porch->clients[0], reply, sizeof(reply), MSG_WAITALL),
                     CONTROL_FRAME_REPLY_SIZE);
    assert_true(control_frame_is(reply));
    assert_int_equal(load_be32(reply + HEADER_SIZE), TSS2_TCTI_RC_NO_CONNECTION);
    close(porch->clients[0]);
}

static void test_it_may_be_closed_by_a_newcomer(void **state)
{
    struct porch *porch = *state;

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    porch->closes = true;
    connect_client(porch, 0);
    connect_client(porch, 1);
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 1);
    assert_int_equal(reach(porch, 2), -1);
    for (unsigned i = 0; i < 3; i++)
        close(porch->clients[i]);
}

/* Of many that come and go at once most are passed over. */
static void test_R11_who_connects_to_hang_up_is_passed_over(void **state)
{
    struct porch *porch = *state;
    unsigned fds = descriptor_count();

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    for (unsigned i = 0; i < MANY; i++) {
        connect_client(porch, i);
        close(porch->clients[i]);
    }
    connect_client(porch, 0);
    /* Whatever number their descriptors have. */
    descriptor_zero_give_up();
    loop_run(&porch->loop, -1, 1);
    descriptor_zero_take_back();
    assert_in_range(porch->accepted, 2, MANY / 2);
    close(porch->clients[0]);
    assert_int_equal(descriptor_count_settled(fds), fds);
}

/* While descriptors are out newcomers wait in the kernel's queue, which wakes nobody. */
static void test_R42_pause_while_what_it_takes_is_out(void **state)
{
    struct porch *porch = *state;
    struct rlimit before, none;

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    connect_client(porch, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* The first is let know with the spare descriptor, which cannot be had again then. */
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 0);
    assert_true(timer_is_armed(&porch->acceptor.pause));
    assert_true(porch->acceptor.warned);
    assert_int_equal(porch->acceptor.watch.mask, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    connect_client(porch, 1);
    /* The deadline, and what waits for it. */
    loop_run(&porch->loop, -1, 1);
    assert_false(timer_is_armed(&porch->acceptor.pause));
    assert_int_equal(porch->accepted, 0);
    loop_run(&porch->loop, -1, 1);
    assert_in_range(porch->accepted, 1, 2);
    assert_false(porch->acceptor.warned);
    close(porch->clients[0]);
    close(porch->clients[1]);
}

/* How often the queue is looked at: until it is empty, or enough. */
static void test_R58_the_queue_is_looked_at_no_more_than_it_takes(void **state)
{
    static const int always[] = {ALWAYS};
    struct porch *porch = *state;

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    connect_client(porch, 0);
    connect_client(porch, 1);
    kernel_called = 0;
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 2);
    assert_int_equal(kernel_called, 3);
    connect_client(porch, 2);
    kernel_called = 0;
    kernel_says = always;
    loop_run(&porch->loop, -1, 1);
    kernel_says = NULL;
    /* Those who are gone already are passed over, but for the first few. */
    assert_int_equal(kernel_called, 2 * LISTENER_BACKLOG);
    assert_int_equal(porch->accepted, 2 + 16);
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 2 + 16 + 1);
    for (unsigned i = 0; i < 3; i++)
        close(porch->clients[i]);
}

/* One that could not be let in and was told so holds up nobody; an error of another kind does. */
static void test_R42_errors_of_the_queue(void **state)
{
    static const int full[] = {EMFILE, 0}, system_full[] = {ENFILE, 0}, broken[] = {ENOMEM, 0};
    struct porch *porch = *state;

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    for (unsigned i = 0; i < 4; i++)
        connect_client(porch, i);
    kernel_says = full;
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 3);
    assert_false(timer_is_armed(&porch->acceptor.pause));
    for (unsigned i = 4; i < 6; i++)
        connect_client(porch, i);
    kernel_says = system_full;
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(porch->accepted, 4);
    assert_false(timer_is_armed(&porch->acceptor.pause));
    connect_client(porch, 6);
    kernel_says = broken;
    kernel_called = 0;
    loop_run(&porch->loop, -1, 1);
    assert_int_equal(kernel_called, 1);
    assert_int_equal(porch->accepted, 4);
    assert_true(timer_is_armed(&porch->acceptor.pause));
    acceptor_close(&porch->acceptor);
    assert_false(timer_is_armed(&porch->acceptor.pause));
    kernel_says = NULL;
    for (unsigned i = 0; i < 7; i++)
        close(porch->clients[i]);
}

/* The kernel has no memory for the next newcomer. */
static void meet_shortage(struct porch *porch)
{
    static const int broken[] = {ENOMEM, 0};

    kernel_says = broken;
    loop_run(&porch->loop, -1, 1);
    kernel_says = NULL;
    assert_true(timer_is_armed(&porch->acceptor.pause));
    timer_disarm(&porch->acceptor.pause);
    porch->acceptor.pause.due(&porch->acceptor.pause);
}

/* Until somebody is let in again. */
static void test_R42_pauses_are_warned_of_once(void **state)
{
    struct porch *porch = *state;
    struct log_capture *capture;
    unsigned lines = 0;

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    connect_client(porch, 0);
    capture = log_capture_begin(LOG_LEVEL_WARNING);
    meet_shortage(porch);
    meet_shortage(porch);
    loop_run(&porch->loop, -1, 1);
    connect_client(porch, 1);
    meet_shortage(porch);
    log_capture_end(capture);
    for (const char *line = log_capture_line(capture); *line; line = log_capture_line(capture)) {
        assert_non_null(strstr(line, "nobody can be let in"));
        lines++;
    }
    log_capture_free(capture);
    assert_int_equal(lines, 2);
    assert_int_equal(porch->accepted, 1);
    close(porch->clients[0]);
    close(porch->clients[1]);
}

/* Whoever has it open too. */
static void test_closed_socket_is_not_watched(void **state)
{
    struct porch *porch = *state;
    int copy = dup(listener_fd(porch->acceptor.listener));
    struct pollfd loop = {porch->loop.fd, POLLIN, 0};

    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    acceptor_close(&porch->acceptor);
    assert_int_equal(poll(&loop, 1, 0), 0);
    close(copy);
}

static void test_without_a_socket_it_is_open_and_idle(void **state)
{
    struct porch *porch = *state;

    acceptor_close(&porch->acceptor);
    acceptor_close(&porch->acceptor);
    assert_int_equal(acceptor_open(&porch->acceptor), 0);
    loop_run(&porch->loop, 0, 1);
    assert_int_equal(porch->accepted, 0);
}

#define ACCEPTOR_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCEPTOR_TEST(test_newcomers_are_told_of_once_it_is_open),
        ACCEPTOR_TEST(test_refused_newcomer_is_told_so),
        ACCEPTOR_TEST(test_it_may_be_closed_by_a_newcomer),
        ACCEPTOR_TEST(test_R11_who_connects_to_hang_up_is_passed_over),
        ACCEPTOR_TEST(test_R42_pause_while_what_it_takes_is_out),
        ACCEPTOR_TEST(test_R58_the_queue_is_looked_at_no_more_than_it_takes),
        ACCEPTOR_TEST(test_R42_errors_of_the_queue),
        ACCEPTOR_TEST(test_R42_pauses_are_warned_of_once),
        ACCEPTOR_TEST(test_closed_socket_is_not_watched),
        ACCEPTOR_TEST(test_without_a_socket_it_is_open_and_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
