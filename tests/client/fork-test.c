/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that was opened before a fork, in the parent and in its children: in turn and at
 * once.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

static void open_link(struct fake_link *link)
{
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, link),
                     TSS2_RC_SUCCESS);
}

static void test_R46_parent_and_child_at_once(void **state)
{
    struct fake_link link;
    pid_t server, child;

    (void)state;
    open_link(&link);
    server = children_serve(&link);
    assert_true(children_echo_often(&link, 10));
    child = children_start();
    if (child == 0)
        _exit(children_echo_often(&link, 500) ? 0 : 1);
    assert_true(children_echo_often(&link, 500));
    children_expect_end(child);
    assert_true(children_echo_often(&link, 10));
    children_end_server(&link, server);
}

static void test_R46_eight_children_at_once(void **state)
{
    struct fake_link link;
    pid_t server, children[8];
    size_t i;

    (void)state;
    open_link(&link);
    server = children_serve(&link);
    for (i = 0; i < 8; i++) {
        children[i] = children_start();
        if (children[i] == 0)
            _exit(children_echo_often(&link, 200) ? 0 : 1);
    }
    for (i = 0; i < 8; i++)
        children_expect_end(children[i]);
    assert_true(children_echo_often(&link, 10));
    children_end_server(&link, server);
}

static void test_R46_every_generation(void **state)
{
    struct fake_link link;
    pid_t server, child;
    int depth = 0, status = 0;

    (void)state;
    open_link(&link);
    server = children_serve(&link);
    do
        child = fork();
    while (child == 0 && ++depth < 5);
    if (depth > 0) {
        if (!children_echo_often(&link, 50)
            || (child > 0 && (waitpid(child, &status, 0) < 0 || status != 0))
            || !children_echo_often(&link, 5))
            _exit(1);
        Tss2_Tcti_Finalize(link.tcti);
        _exit(0);
    }
    assert_true(children_echo_often(&link, 50));
    children_expect_end(child);
    children_end_server(&link, server);
}

/* As daemon(3) does it: who connected is gone when the first command is sent. */
static void test_R46_the_maker_ends_at_once(void **state)
{
    int status = -1, done[2];
    struct fake_link link;
    pid_t maker;

    (void)state;
    assert_int_equal(pipe(done), 0);
    maker = children_start();
    if (maker == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        open_link(&link);
        children_serve(&link);
        if (fork() != 0)
            _exit(0);
        while (getppid() == maker)
            poll(NULL, 0, 1);
        status = children_echo_often(&link, 100) ? 0 : 1;
        _exit(write(done[1], &status, sizeof(status)) == sizeof(status) ? 0 : 1);
    }
    close(done[1]);
    children_expect_end(maker);
    assert_int_equal(read(done[0], &status, sizeof(status)), sizeof(status));
    assert_int_equal(status, 0);
    close(done[0]);
}

/* What the daemon's end could read. */
static int bytes_there(const struct fake_link *link)
{
    int count = -1;

    assert_int_equal(ioctl(link->server, FIONREAD, &count), 0);
    return count;
}

/* Answers a command of the 20 bytes and more that children_echo() sends. */
static void answer_echo(const struct fake_link *link)
{
    uint8_t frame[400];
    size_t size;

    fake_link_read(link, frame, HEADER_SIZE);
    size = header_load(frame).size;
    assert_in_range(size, 20, sizeof(frame));
    fake_link_read(link, frame + HEADER_SIZE, size - HEADER_SIZE);
    fake_link_write(link, frame, size);
}

static void receive_response(const struct fake_link *link, uint8_t seed)
{
    uint8_t response[40], received[64];
    size_t size = sizeof(received);

    fake_frame(response, sizeof(response), seed);
    fake_link_write(link, response, sizeof(response));
    assert_int_equal(Tss2_Tcti_Receive(link->tcti, &size, received, 0), TSS2_RC_SUCCESS);
    assert_int_equal(size, sizeof(response));
    assert_memory_equal(received, response, sizeof(response));
}

/* Nothing of its parent's command is a child's: not even what waits to be received. */
static int try_parents_command(const struct fake_link *link)
{
    uint8_t buffer[64];
    size_t size = sizeof(buffer);

    return Tss2_Tcti_Receive(link->tcti, &size, buffer, 0) == TSS2_TCTI_RC_BAD_SEQUENCE
           && Tss2_Tcti_Receive(link->tcti, &size, buffer, -1) == TSS2_TCTI_RC_BAD_SEQUENCE
           && Tss2_Tcti_Cancel(link->tcti) == TSS2_TCTI_RC_BAD_SEQUENCE;
}

static void test_R46_child_waits_for_its_parents_response(void **state)
{
    struct fake_link link;
    pid_t child;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 20, 1);
    child = children_start();
    if (child == 0)
        _exit(try_parents_command(&link) && children_echo_often(&link, 2) ? 0 : 1);
    children_await_sleep(child, 1);
    assert_int_equal(bytes_there(&link), 0);
    receive_response(&link, 3);
    answer_echo(&link);
    answer_echo(&link);
    children_expect_end(child);
    fake_link_exchange(&link, 5);
    fake_link_close(&link);
}

static void *receive_in_thread(void *data)
{
    const struct fake_link *link = data;
    uint8_t received[64] = {0}, expected[40];
    size_t size = sizeof(received);

    fake_frame(expected, sizeof(expected), 3);
    if (Tss2_Tcti_Receive(link->tcti, &size, received, -1) != TSS2_RC_SUCCESS
        || size != sizeof(expected) || memcmp(received, expected, size) != 0)
        return NULL;
    return data;
}

/* The fork comes while another thread waits in receive. */
static void test_R46_fork_beside_a_thread_that_receives(void **state)
{
    uint8_t response[40];
    struct fake_link link;
    pthread_t thread;
    void *good = NULL;
    pid_t child;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 20, 1);
    assert_int_equal(pthread_create(&thread, NULL, receive_in_thread, &link), 0);
    child = children_start();
    if (child == 0)
        _exit(try_parents_command(&link) && children_echo_often(&link, 2) ? 0 : 1);
    children_await_sleep(child, 1);
    assert_int_equal(bytes_there(&link), 0);
    fake_frame(response, sizeof(response), 3);
    fake_link_write(&link, response, sizeof(response));
    pthread_join(thread, &good);
    assert_non_null(good);
    answer_echo(&link);
    answer_echo(&link);
    children_expect_end(child);
    fake_link_close(&link);
}

static void test_R46_finalize_is_one_processs_own(void **state)
{
    uint8_t command[20], response[50];
    struct fake_link link;
    int go[2], status = -1;
    char byte;
    pid_t child;

    (void)state;
    open_link(&link);
    assert_int_equal(pipe(go), 0);
    /* A child with a command outstanding: its response is nobody's. */
    child = children_start();
    if (child == 0) {
        fake_frame(command, sizeof(command), 1);
        if (Tss2_Tcti_Transmit(link.tcti, sizeof(command), command) != TSS2_RC_SUCCESS)
            _exit(1);
        Tss2_Tcti_Finalize(link.tcti);
        _exit(0);
    }
    children_expect_end(child);
    fake_link_read(&link, command, sizeof(command));
    fake_frame(response, sizeof(response), 1);
    fake_link_write(&link, response, sizeof(response));
    fake_link_exchange(&link, 2);
    /* The process that connected, while a child has plans. */
    child = children_start();
    if (child == 0)
        _exit(read(go[0], &byte, 1) == 1 && children_echo_often(&link, 2) ? 0 : 1);
    Tss2_Tcti_Finalize(link.tcti);
    assert_int_equal(write(go[1], "", 1), 1);
    answer_echo(&link);
    answer_echo(&link);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
    fake_link_close(&link);
}

/* A part of a reply to a cancel came off the socket together with the response before it. */
static void test_R46_what_was_read_too_early_is_not_lost(void **state)
{
    uint8_t stream[40 + CONTROL_FRAME_REPLY_SIZE], buffer[128], frame[HEADER_SIZE];
    struct fake_link link;
    size_t cut, size;
    pid_t child;

    (void)state;
    fake_frame(stream, 40, 1);
    control_frame_reply_store(stream + 40, CONTROL_FRAME_CANCEL, TSS2_TCTI_RC_BAD_SEQUENCE);
    for (cut = 40; cut <= sizeof(stream); cut++) {
        open_link(&link);
        fake_link_command(&link, 20, 1);
        assert_int_equal(Tss2_Tcti_Cancel(link.tcti), TSS2_RC_SUCCESS);
        fake_link_read(&link, frame, sizeof(frame));
        fake_link_write(&link, stream, cut);
        size = sizeof(buffer);
        assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0), TSS2_RC_SUCCESS);
        assert_int_equal(size, 40);
        child = children_start();
        if (child == 0)
            _exit(children_echo(&link, 7) ? 0 : 1);
        fake_link_write(&link, stream + cut, sizeof(stream) - cut);
        answer_echo(&link);
        children_expect_end(child);
        fake_link_exchange(&link, 5);
        fake_link_close(&link);
    }
}

static void test_R46_what_broke_for_one_broke_for_all(void **state)
{
    uint8_t command[20];
    struct fake_link link;
    int go[2], said;
    pid_t child, late;

    (void)state;
    open_link(&link);
    assert_int_equal(pipe(go), 0);
    late = children_start_late(&link, go[0], &said);
    fake_frame(command, sizeof(command), 1);
    header_store(command, 0x8001, 9, 0);
    fake_link_write(&link, command, sizeof(command));
    child = children_start();
    if (child == 0)
        _exit(children_echo(&link, 1) ? 1 : 0);
    children_expect_end(child);
    fake_frame(command, sizeof(command), 1);
    assert_int_equal(Tss2_Tcti_Transmit(link.tcti, sizeof(command), command),
                     TSS2_TCTI_RC_NO_CONNECTION);
    assert_int_equal(write(go[1], "", 1), 1);
    children_expect_said(late, said, "broke in another process", 1);
    close(go[0]);
    close(go[1]);
    fake_link_close(&link);
}

/* Who broke the connection lives on, and keeps nobody waiting for it. */
static void test_R46_what_is_broken_is_given_back(void **state)
{
    uint8_t response[20], buffer[64];
    size_t size = sizeof(buffer);
    struct fake_link link;
    int go[2], said;
    pid_t late;

    (void)state;
    open_link(&link);
    assert_int_equal(pipe(go), 0);
    late = children_start_late(&link, go[0], &said);
    fake_link_command(&link, 20, 1);
    fake_frame(response, sizeof(response), 1);
    header_store(response, 0x8001, 9, 0);
    fake_link_write(&link, response, sizeof(response));
    assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, 0),
                     TSS2_TCTI_RC_MALFORMED_RESPONSE);
    assert_int_equal(write(go[1], "", 1), 1);
    children_expect_said(late, said, "broke in another process", 1);
    close(go[0]);
    close(go[1]);
    fake_link_close(&link);
}

/* Closing a duplicate of its descriptor costs a process its lock. Bytes must not change hands. */
static void test_R46_a_lost_lock_gives_no_bytes_away(void **state)
{
    uint8_t buffer[64];
    size_t size = sizeof(buffer);
    struct fake_link link;
    pid_t child;

    (void)state;
    open_link(&link);
    fake_link_command(&link, 20, 1);
    close(dup(children_fd(&link)));
    child = children_start();
    if (child == 0)
        _exit(children_echo(&link, 1) ? 0 : 1);
    fake_frame(buffer, 40, 3);
    fake_link_write(&link, buffer, 40);
    answer_echo(&link);
    children_expect_end(child);
    fake_link_write(&link, buffer, 40);
    assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, buffer, -1), TSS2_TCTI_RC_IO_ERROR);
    assert_int_equal(recv(link.server, buffer, sizeof(buffer), MSG_DONTWAIT), 0);
    fake_link_close(&link);
}

struct transmission {
    const struct fake_link *link;
    TSS2_RC rc;
};

static void *transmit_in_thread(void *data)
{
    struct transmission *transmission = data;
    uint8_t command[20];

    fake_frame(command, sizeof(command), 9);
    transmission->rc = Tss2_Tcti_Transmit(transmission->link->tcti, sizeof(command), command);
    return NULL;
}

/* A process with a command outstanding on one connection, whose thread waits for the other one. */
static bool hold_one_and_want_another(const struct fake_link *held, const struct fake_link *wanted,
                                      int ready, int go)
{
    struct transmission transmission = {wanted, TSS2_TCTI_RC_GENERAL_FAILURE};
    uint8_t command[20], buffer[64];
    size_t size = sizeof(buffer);
    pthread_t thread;
    char byte;

    fake_frame(command, sizeof(command), 1);
    if (Tss2_Tcti_Transmit(held->tcti, sizeof(command), command) != TSS2_RC_SUCCESS
        || write(ready, "", 1) != 1 || read(go, &byte, 1) != 1
        || pthread_create(&thread, NULL, transmit_in_thread, &transmission) != 0)
        return false;
    if (Tss2_Tcti_Receive(held->tcti, &size, buffer, -1) != TSS2_RC_SUCCESS)
        return false;
    pthread_join(thread, NULL);
    return transmission.rc == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(wanted->tcti, &size, buffer, -1) == TSS2_RC_SUCCESS;
}

static void expect_bytes(int fd, size_t count)
{
    char byte;

    while (count-- > 0)
        assert_int_equal(read(fd, &byte, 1), 1);
}

/* Each of two processes waits for a connection that the other one uses: the kernel calls that a
 * deadlock, and does not know of the threads that will end it. */
static void test_R46_two_connections_crosswise(void **state)
{
    struct fake_link links[2];
    int ready[2], go[2][2], i;
    pid_t children[2];

    (void)state;
    open_link(&links[0]);
    open_link(&links[1]);
    assert_int_equal(pipe(ready), 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(pipe(go[i]), 0);
        children[i] = children_start();
        if (children[i] == 0)
            _exit(hold_one_and_want_another(&links[i], &links[1 - i], ready[1], go[i][0]) ? 0 : 1);
    }
    expect_bytes(ready[0], 2);
    for (i = 0; i < 2; i++)
        assert_int_equal(write(go[i][1], "", 1), 1);
    for (i = 0; i < 2; i++)
        children_await_sleep(children[i], 2);
    for (i = 0; i < 2; i++)
        answer_echo(&links[i]);
    for (i = 0; i < 2; i++)
        answer_echo(&links[i]);
    for (i = 0; i < 2; i++)
        children_expect_end(children[i]);
    for (i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i][0]);
        close(go[i][1]);
        fake_link_close(&links[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_parent_and_child_at_once),
        cmocka_unit_test(test_R46_eight_children_at_once),
        cmocka_unit_test(test_R46_every_generation),
        cmocka_unit_test(test_R46_the_maker_ends_at_once),
        cmocka_unit_test(test_R46_child_waits_for_its_parents_response),
        cmocka_unit_test(test_R46_fork_beside_a_thread_that_receives),
        cmocka_unit_test(test_R46_finalize_is_one_processs_own),
        cmocka_unit_test(test_R46_what_was_read_too_early_is_not_lost),
        cmocka_unit_test(test_R46_what_broke_for_one_broke_for_all),
        cmocka_unit_test(test_R46_what_is_broken_is_given_back),
        cmocka_unit_test(test_R46_a_lost_lock_gives_no_bytes_away),
        cmocka_unit_test(test_R46_two_connections_crosswise),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client forks", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
