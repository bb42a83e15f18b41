/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first fork of a process, before which its journal counts nothing: another thread is in the
 * middle of a system call then, or the C library does not know of the fork.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

/* A process that connects to a daemon's end in the test, and dies in a call. */
struct scene {
    struct fake_link link; /* the daemon's end only, outside of that process */
    int go[2], said[2];
    pid_t maker;
};

static void *receive_forever(void *data)
{
    const struct scene *scene = data;
    uint8_t buffer[64];
    size_t size = sizeof(buffer);

    Tss2_Tcti_Receive(scene->link.tcti, &size, buffer, -1);
    return NULL;
}

/* Says by a letter what comes of a command when it is let go. */
static void run_child(const struct scene *scene)
{
    uint8_t command[20];
    char byte;
    TSS2_RC rc;

    fake_frame(command, sizeof(command), 1);
    if (read(scene->go[0], &byte, 1) != 1)
        _exit(1);
    rc = Tss2_Tcti_Transmit(scene->link.tcti, sizeof(command), command);
    byte = rc == TSS2_TCTI_RC_IO_ERROR ? 'i' : rc == TSS2_TCTI_RC_NO_CONNECTION ? 'n' : '?';
    _exit(write(scene->said[1], &byte, 1) == 1 ? 0 : 1);
}

/* The flags come second on this processor (clone(2)). */
#ifdef __s390__
#define BARE_CLONE() syscall(SYS_clone, 0, SIGCHLD, 0, 0, 0)
#else
#define BARE_CLONE() syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
#endif

/* A child that the C library makes, or one that it does not know of. */
static pid_t start_child(bool bare)
{
    pid_t child = bare ? (pid_t)BARE_CLONE() : fork();

    if (child == 0)
        prctl(PR_SET_PDEATHSIG, 0);
    return child;
}

static void run_maker(struct scene *scene, bool bare)
{
    uint8_t command[20];
    pthread_t thread;
    size_t size = 0;
    int i;

    Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL);
    scene->link.tcti = calloc(1, size);
    fake_frame(command, sizeof(command), 1);
    if (Tss2_Tcti_Tabrmd_Init(scene->link.tcti, &size, daemon_.conf) != TSS2_RC_SUCCESS
        || Tss2_Tcti_Transmit(scene->link.tcti, sizeof(command), command) != TSS2_RC_SUCCESS
        || pthread_create(&thread, NULL, receive_forever, scene) != 0)
        _exit(1);
    children_await_sleep(getpid(), 1);
    for (i = 0; i < 2; i++) {
        pid_t child = start_child(bare);

        if (child < 0)
            _exit(1);
        if (child == 0)
            run_child(scene);
    }
    if (write(scene->said[1], "m", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void expect_said(const struct scene *scene, char expected)
{
    char byte = 0;

    assert_int_equal(read(scene->said[0], &byte, 1), 1);
    assert_int_equal(byte, expected);
}

static void check_death_in_receive(bool bare)
{
    struct scene scene;
    uint8_t frame[20];
    int status, i;

    assert_int_equal(pipe(scene.go), 0);
    assert_int_equal(pipe(scene.said), 0);
    scene.maker = children_start();
    if (scene.maker == 0)
        run_maker(&scene, bare);
    scene.link = (struct fake_link){NULL, accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC)};
    assert_true(scene.link.server >= 0);
    fake_link_read(&scene.link, frame, HEADER_SIZE);
    fake_link_reply(&scene.link, CONTROL_FRAME_HELLO, 0);
    fake_link_read(&scene.link, frame, sizeof(frame));
    expect_said(&scene, 'm');
    assert_int_equal(kill(scene.maker, SIGKILL), 0);
    assert_int_equal(waitpid(scene.maker, &status, 0), scene.maker);
    /* One finds that what was begun is lost, the other that the connection is broken. */
    assert_int_equal(write(scene.go[1], "", 1), 1);
    expect_said(&scene, 'i');
    assert_int_equal(write(scene.go[1], "", 1), 1);
    expect_said(&scene, 'n');
    for (i = 0; i < 2; i++) {
        close(scene.go[i]);
        close(scene.said[i]);
    }
    fake_link_close(&scene.link);
}

/* Nobody knows what the call that began before the fork has moved: nobody waits for a response that
 * it may have taken. */
static void test_R46_death_in_a_call_from_before_the_first_fork(void **state)
{
    (void)state;
    check_death_in_receive(false);
}

static void test_R46_death_in_a_call_beside_a_bare_clone(void **state)
{
    (void)state;
    check_death_in_receive(true);
}

static void test_R46_a_bare_clone_and_its_parent_at_once(void **state)
{
    struct fake_link link;
    pid_t server, child;

    (void)state;
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link),
                     TSS2_RC_SUCCESS);
    server = children_serve(&link);
    assert_true(children_echo_often(&link, 10));
    child = start_child(true);
    if (child == 0)
        _exit(children_echo_often(&link, 500) ? 0 : 1);
    assert_true(children_echo_often(&link, 500));
    children_expect_end(child);
    children_end_server(&link, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_death_in_a_call_from_before_the_first_fork),
        cmocka_unit_test(test_R46_death_in_a_call_beside_a_bare_clone),
        cmocka_unit_test(test_R46_a_bare_clone_and_its_parent_at_once),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client first forks", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
