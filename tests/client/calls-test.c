/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many system calls a program pays for a connection, over the socket and over D-Bus. The
 * program is a child that is traced; markers in it tell which call of the TCTI its system calls
 * belong to.
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

#include "canned-bus.h"
#include "fake-daemon.h"
#include "tss2-tcti-tabrmd.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Marks the end of a step: a system call that the library never makes. */
#define MARKER SYS_getpgrp

enum step { START, CONNECT, COMMAND, SIZED, LOCALITY, FINALIZE, STEPS };

static struct fake_daemon daemon_;
static struct canned_bus bus;

/* A daemon that says yes to everything, until its client closes. */
static void serve_frames(int fd)
{
    uint8_t frame[HEADER_SIZE + 1], reply[CONTROL_FRAME_REPLY_SIZE];
    struct header header;
    size_t size;

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

static void serve_socket(void)
{
    serve_frames(accept4(daemon_.listener, NULL, NULL, SOCK_CLOEXEC));
}

/* The program sends its two commands before it calls SetLocality, and closes after that. */
static void serve_bus(void)
{
    uint8_t command[HEADER_SIZE], response[HEADER_SIZE];
    int server = -1, fd = canned_bus_accept(&bus, &server), i;

    if (fd < 0)
        _exit(1);
    header_store(response, 0x8001, sizeof(response), 0);
    for (i = 0; i < 2; i++)
        if (recv(server, command, sizeof(command), MSG_WAITALL) != sizeof(command)
            || send(server, response, sizeof(response), MSG_NOSIGNAL) != sizeof(response))
            _exit(1);
    if (!canned_bus_agree(fd, NULL))
        _exit(1);
    close(fd);
    close(server);
}

static void mark(void)
{
    syscall(MARKER);
}

static bool use_once(TSS2_TCTI_CONTEXT *tcti, size_t size, const char *conf)
{
    uint8_t command[HEADER_SIZE], response[64];
    size_t got = sizeof(response);
    bool good;

    header_store(command, 0x8001, sizeof(command), 0x17B);
    mark();
    good = Tss2_Tcti_Tabrmd_Init(tcti, &size, conf) == TSS2_RC_SUCCESS;
    mark();
    if (!good)
        return false;
    good = Tss2_Tcti_Transmit(tcti, sizeof(command), command) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(tcti, &got, response, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS;
    mark();
    /* As the SAPI of tpm2-tss does it. */
    good = good && Tss2_Tcti_Transmit(tcti, sizeof(command), command) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(tcti, &got, NULL, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(tcti, &got, response, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS;
    mark();
    good = good && Tss2_Tcti_SetLocality(tcti, 0) == TSS2_RC_SUCCESS;
    mark();
    Tss2_Tcti_Finalize(tcti);
    mark();
    return good;
}

/* The traced program. The first round fills what is filled once in a process. */
static int program(const char *conf)
{
    TSS2_TCTI_CONTEXT *tcti;
    size_t size = 0;
    bool good;

    Tss2_Tcti_Tabrmd_Init(NULL, &size, NULL);
    tcti = calloc(1, size);
    if (tcti == NULL || !use_once(tcti, size, conf))
        return 1;
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        return 2;
    raise(SIGSTOP);
    good = use_once(tcti, size, conf);
    free(tcti);
    return good ? 0 : 1;
}

/* The clock is read without a system call where the machine lets it. The sanitizers make calls of
 * their own, which are not about descriptors. */
static bool counts_for_the_library(uint64_t call)
{
    switch (call) {
    case SYS_clock_gettime:
        return false;
    case SYS_close:
    case SYS_connect:
    case SYS_fcntl:
    case SYS_ioctl:
    case SYS_poll:
    case SYS_recvfrom:
    case SYS_recvmmsg:
    case SYS_recvmsg:
    case SYS_sendmmsg:
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_setsockopt:
    case SYS_socket:
        return true;
    default:
        return !SANITIZED;
    }
}

/* Calls that count bytes for a process that forked. */
static bool counts_bytes(uint64_t call)
{
    return call == SYS_sendmmsg || call == SYS_recvmmsg;
}

/* Counts the calls of each step until the program ends. The program never forks, and calls nothing
 * that only processes need which share a connection. */
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
            assert_false(counts_bytes(info.entry.nr));
            if (info.entry.nr == MARKER)
                step++;
            else
                counts[step] += counts_for_the_library(info.entry.nr);
        }
        ptrace(PTRACE_SYSCALL, child, 0, 0);
    }
    return status;
}

/* The counts of the second of two rounds with `conf`, each of them served by `serve` in a process
 * of its own. Skips the test where they cannot be had. */
static void count(const char *conf, void (*serve)(void), unsigned counts[STEPS])
{
    int status, served;
    pid_t server, child;

    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve();
        serve();
        _exit(0);
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(program(conf));
    status = trace(child, counts);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        kill(server, SIGKILL);
        waitpid(server, &served, 0);
        print_message("tracing is not allowed here\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(server, &served, 0), server);
    assert_int_equal(served, 0);
    print_message("connect %u, command %u, size first %u, locality %u, finalize %u\n",
                  counts[CONNECT], counts[COMMAND], counts[SIZED], counts[LOCALITY],
                  counts[FINALIZE]);
    assert_int_equal(counts[COMMAND], 2);
    /* The size is peeked at, for the descriptor to stay readable until the response is taken. */
    assert_int_equal(counts[SIZED], 3);
}

static void test_system_calls_over_the_socket(void **state)
{
    unsigned counts[STEPS] = {0};

    (void)state;
    count(daemon_.conf, serve_socket, counts);
    /* Socket, its time limit, connect, hello, wait, answer; and for children: two pages, of which
     * one is wiped, and a lock. */
    assert_in_range(counts[CONNECT], 1, 10);
    assert_int_equal(counts[LOCALITY], 3);
    assert_in_range(counts[FINALIZE], 1, 2);
}

static void test_system_calls_over_dbus(void **state)
{
    unsigned counts[STEPS] = {0};

    (void)state;
    count("bus_type=system", serve_bus, counts);
    /* As over the socket, with the lines of a client instead of the hello; then Hello and
     * CreateConnection, each sent, waited for and read in two parts, with a signal between them
     * that is read as well; and the descriptor is made one that blocks. */
    assert_in_range(counts[CONNECT], 1, 25);
    assert_int_equal(counts[LOCALITY], 5);
    assert_in_range(counts[FINALIZE], 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_calls_over_the_socket),
        cmocka_unit_test(test_system_calls_over_dbus),
    };
    int failed;

    fake_daemon_start(&daemon_);
    canned_bus_start(&bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address, 1);
    failed = cmocka_run_group_tests_name("client system calls", tests, NULL, NULL);
    canned_bus_stop(&bus);
    fake_daemon_stop(&daemon_);
    return failed;
}
