/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many system calls a program pays for a connection over the socket. The program is a child
 * that is traced; markers in it tell which call of the TCTI its system calls belong to.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* After sys/ptrace.h, with which it does not go together otherwise. */
#include <linux/ptrace.h>

#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true /* the sanitizers make system calls of their own */
#else
#define SANITIZED false
#endif

/* Marks the end of a step: a system call that the library never makes. */
#define MARKER SYS_getpgrp

enum step { START, CONNECT, COMMAND, LOCALITY, FINALIZE, STEPS };

static struct fake_daemon daemon_;

/* A daemon in a process of its own that says yes to everything, for `connections` connections. */
static void serve(int connections)
{
    uint8_t frame[HEADER_SIZE + 1], reply[CONTROL_FRAME_REPLY_SIZE];
    struct header header;
    size_t size;
    int fd;

    for (; connections > 0; connections--) {
        fd = accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC);
        while (recv(fd, frame, HEADER_SIZE, MSG_WAITALL) == HEADER_SIZE) {
            header = header_load(frame);
            size = HEADER_SIZE;
            if (header.size > HEADER_SIZE)
                recv(fd, frame + HEADER_SIZE, header.size - HEADER_SIZE, MSG_WAITALL);
            if (header.tag == CONTROL_FRAME_TAG) {
                size = sizeof(reply);
                control_frame_reply_store(reply, header.code, 0);
            } else {
                header_store(reply, header.tag, (uint32_t)size, 0);
            }
            send(fd, reply, size, MSG_NOSIGNAL);
        }
        close(fd);
    }
}

static void mark(void)
{
    syscall(MARKER);
}

static bool use_once(TSS2_TCTI_CONTEXT *tcti, size_t size)
{
    uint8_t command[HEADER_SIZE], response[64];
    size_t got = sizeof(response);
    bool good;

    header_store(command, 0x8001, sizeof(command), 0x17B);
    mark();
    good = Tss2_Tcti_Tabrmd_Init(tcti, &size, daemon_.conf) == TSS2_RC_SUCCESS;
    mark();
    if (!good)
        return false;
    good = Tss2_Tcti_Transmit(tcti, sizeof(command), command) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(tcti, &got, response, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS;
    mark();
    good = good && Tss2_Tcti_SetLocality(tcti, 0) == TSS2_RC_SUCCESS;
    mark();
    Tss2_Tcti_Finalize(tcti);
    mark();
    return good;
}

/* The traced program. The first round fills what is filled once in a process. */
static int program(void)
{
    TSS2_TCTI_CONTEXT *tcti;
    size_t size = 0;
    bool good;

    Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL);
    tcti = calloc(1, size);
    if (tcti == NULL || !use_once(tcti, size))
        return 1;
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        return 2;
    raise(SIGSTOP);
    good = use_once(tcti, size);
    free(tcti);
    return good ? 0 : 1;
}

/* Counts the calls of each step until the program ends. The clock is read without a system call
 * where the machine lets it. */
static int trace(pid_t child, unsigned counts[STEPS])
{
    struct ptrace_syscall_info info;
    enum step step = START;
    int status = 0;

    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == SIGSTOP)
            ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        else if (WSTOPSIG(status) == (SIGTRAP | 0x80)
                 && ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) > 0
                 && info.op == PTRACE_SYSCALL_INFO_ENTRY && step < STEPS) {
            if (info.entry.nr == MARKER)
                step++;
            else if (info.entry.nr != SYS_clock_gettime)
                counts[step]++;
        }
        ptrace(PTRACE_SYSCALL, child, 0, 0);
    }
    return status;
}

static void test_system_calls(void **state)
{
    unsigned counts[STEPS] = {0};
    int status, served;
    pid_t server, child;

    (void)state;
    if (SANITIZED)
        skip();
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(2);
        _exit(0);
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(program());
    status = trace(child, counts);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        kill(server, SIGKILL);
        waitpid(server, &served, 0);
        print_message("tracing is not allowed here\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(server, &served, 0), server);
    print_message("connect %u, command %u, locality %u, finalize %u\n", counts[CONNECT],
                  counts[COMMAND], counts[LOCALITY], counts[FINALIZE]);
    /* Socket, its time limit, connect, hello, wait, answer; and the mark against forks: two. */
    assert_in_range(counts[CONNECT], 1, 8);
    assert_int_equal(counts[COMMAND], 2);
    assert_int_equal(counts[LOCALITY], 3);
    assert_in_range(counts[FINALIZE], 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_calls),
    };
    int failed;

    fake_daemon_start(&daemon_);
    failed = cmocka_run_group_tests_name("client system calls", tests, NULL, NULL);
    fake_daemon_stop(&daemon_);
    return failed;
}
