/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that was opened before a fork, where the kernel or a sandbox does not give what
 * sharing it needs. Each case is a process of its own, which forbids itself a system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "children.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

static struct fake_daemon daemon_;

/* A command that is given, and not again while it is outstanding; or that is not, however often. */
static int try_three_times(const struct fake_link *link, TSS2_RC rc)
{
    uint8_t command[20];
    int i;

    fake_frame(command, sizeof(command), 1);
    for (i = 0; i < 3; i++) {
        if (Tss2_Tcti_Transmit(link->tcti, sizeof(command), command) != rc)
            return 1;
        if (rc == TSS2_RC_SUCCESS)
            rc = TSS2_TCTI_RC_BAD_SEQUENCE;
    }
    return 0;
}

/* Opens a connection without what is forbidden. A child's command is what is given, the child says
 * so once where it cannot have one, and the parent's connection is as good as ever. */
static void check_without(struct children_call call, TSS2_RC child_rc)
{
    uint8_t command[20];
    struct fake_link link;
    pid_t process, child;
    int said;

    children_need_seccomp();
    process = children_start();
    if (process > 0) {
        children_expect_end(process);
        return;
    }
    if (!children_forbid(call))
        _exit(1);
    if (fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link) != TSS2_RC_SUCCESS)
        _exit(2);
    fake_link_exchange(&link, 1);
    child = children_start_heard(&said);
    if (child == 0)
        _exit(try_three_times(&link, child_rc));
    children_expect_said(child, said, "cannot use its parent's TPM connection",
                         child_rc == TSS2_TCTI_RC_NO_CONNECTION);
    if (child_rc == TSS2_RC_SUCCESS) {
        fake_link_read(&link, command, sizeof(command));
        fake_link_write(&link, command, sizeof(command));
    }
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
    _exit(0);
}

/* Where a connection cannot be shared the child is told. */
static void test_R46_without_locks_the_parent_only(void **state)
{
    (void)state;
    check_without((struct children_call){CHILDREN_FCNTL, 1, F_SETLK, EACCES, false},
                  TSS2_TCTI_RC_NO_CONNECTION);
}

static void test_R46_without_shared_memory_the_parent_only(void **state)
{
    (void)state;
    check_without(
        (struct children_call){CHILDREN_MMAP, 3, MAP_SHARED | MAP_ANONYMOUS, ENOMEM, false},
        TSS2_TCTI_RC_NO_CONNECTION);
}

/* A kernel that wipes no page for a child; a process is told from another by its number. */
static void test_R46_without_wiping_by_the_kernel(void **state)
{
    (void)state;
    check_without((struct children_call){SYS_madvise, 2, MADV_WIPEONFORK, EINVAL, false},
                  TSS2_RC_SUCCESS);
}

/* An emulator of the kernel, as QEMU's for user programs, that takes any advice and follows none.
 */
static void test_R46_without_wiping_by_an_emulator(void **state)
{
    (void)state;
    check_without((struct children_call){SYS_madvise, 2, 0, 0, true}, TSS2_RC_SUCCESS);
}

/* A child whose sandbox came after the connection: it cannot wait, and is told; nobody else is. */
static void test_R46_a_child_that_cannot_wait(void **state)
{
    struct children_call call = {CHILDREN_FCNTL, 1, F_SETLKW, ENOLCK, false};
    uint8_t command[20], response[40], received[64];
    size_t size = sizeof(received);
    struct fake_link link;
    pid_t child;
    int said;

    (void)state;
    children_need_seccomp();
    assert_int_equal(fake_daemon_connect(&daemon_, Tss2_Tcti_Tabrmd_Init, 0, &link),
                     TSS2_RC_SUCCESS);
    fake_link_command(&link, 20, 1);
    fake_frame(command, sizeof(command), 1);
    child = children_start_heard(&said);
    if (child == 0) {
        if (!children_forbid(call))
            _exit(1);
        if (Tss2_Tcti_Transmit(link.tcti, sizeof(command), command) != TSS2_TCTI_RC_IO_ERROR)
            _exit(2);
        _exit(Tss2_Tcti_Transmit(link.tcti, sizeof(command), command) == TSS2_TCTI_RC_NO_CONNECTION
                  ? 0
                  : 3);
    }
    children_expect_said(child, said, "cannot lock the connection", 1);
    fake_frame(response, sizeof(response), 3);
    fake_link_write(&link, response, sizeof(response));
    assert_int_equal(Tss2_Tcti_Receive(link.tcti, &size, received, 0), TSS2_RC_SUCCESS);
    fake_link_exchange(&link, 1);
    fake_link_close(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R46_without_locks_the_parent_only),
        cmocka_unit_test(test_R46_without_shared_memory_the_parent_only),
        cmocka_unit_test(test_R46_without_wiping_by_the_kernel),
        cmocka_unit_test(test_R46_without_wiping_by_an_emulator),
        cmocka_unit_test(test_R46_a_child_that_cannot_wait),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client forks within limits", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
