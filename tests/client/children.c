/* SPDX-License-Identifier: BSD-2-Clause */
#include "children.h"

#include "emulator.h"

#include <dirent.h>
#include <endian.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int children_fd(const struct fake_link *link)
{
    TSS2_TCTI_POLL_HANDLE handle = {.fd = -1};
    size_t handles = 1;

    return Tss2_Tcti_GetPollHandles(link->tcti, &handle, &handles) == TSS2_RC_SUCCESS ? handle.fd
                                                                                      : -1;
}

pid_t children_serve(struct fake_link *link)
{
    static uint8_t frame[65536];
    struct header header;
    pid_t server = fork();
    size_t size;

    assert_true(server >= 0);
    if (server > 0) {
        close(link->server);
        link->server = -1;
        return server;
    }
    Tss2_Tcti_Finalize(link->tcti);
    while (recv(link->server, frame, HEADER_SIZE, MSG_WAITALL) == HEADER_SIZE) {
        header = header_load(frame);
        size = header.size;
        if (size < HEADER_SIZE || size > sizeof(frame))
            _exit(2);
        if (size > HEADER_SIZE
            && recv(link->server, frame + HEADER_SIZE, size - HEADER_SIZE, MSG_WAITALL)
                   != (ssize_t)(size - HEADER_SIZE))
            _exit(3);
        if (header.tag == CONTROL_FRAME_TAG) {
            size = CONTROL_FRAME_REPLY_SIZE;
            control_frame_reply_store(frame, header.code, 0);
        }
        send(link->server, frame, size, MSG_NOSIGNAL);
    }
    _exit(0);
}

void children_end_server(struct fake_link *link, pid_t server)
{
    int status = 0;

    fake_link_close(link);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(status, 0);
}

bool children_echo(const struct fake_link *link, unsigned number)
{
    uint8_t command[400], response[sizeof(command)];
    size_t size = 20 + number % 380, got = sizeof(response);
    uint32_t stamp[2] = {(uint32_t)getpid(), number};

    fake_frame(command, size, (uint8_t)number);
    memcpy(command + HEADER_SIZE, stamp, sizeof(stamp));
    return Tss2_Tcti_Transmit(link->tcti, size, command) == TSS2_RC_SUCCESS
           && Tss2_Tcti_Receive(link->tcti, &got, response, TSS2_TCTI_TIMEOUT_BLOCK)
                  == TSS2_RC_SUCCESS
           && got == size && memcmp(response, command, size) == 0;
}

bool children_echo_often(const struct fake_link *link, unsigned times)
{
    unsigned i;

    for (i = 0; i < times; i++)
        if (!children_echo(link, i))
            return false;
    return true;
}

pid_t children_start(void)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

pid_t children_start_heard(int *said)
{
    int ends[2];
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = children_start();
    if (child == 0)
        dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    *said = ends[0];
    return child;
}

pid_t children_start_late(const struct fake_link *link, int go, int *said)
{
    pid_t child = children_start_heard(said);
    uint8_t command[20];
    char byte;

    if (child > 0)
        return child;
    fake_frame(command, sizeof(command), 1);
    _exit(read(go, &byte, 1) == 1
                  && Tss2_Tcti_Transmit(link->tcti, sizeof(command), command)
                         == TSS2_TCTI_RC_NO_CONNECTION
              ? 0
              : 1);
}

void children_expect_said(pid_t child, int said, const char *text, unsigned times)
{
    char all[4096];
    size_t used = 0;
    ssize_t got;
    const char *at;
    unsigned count = 0;

    while (used < sizeof(all) - 1 && (got = read(said, all + used, sizeof(all) - 1 - used)) > 0)
        used += (size_t)got;
    all[used] = '\0';
    close(said);
    for (at = all; (at = strstr(at, text)) != NULL; at++)
        count++;
    if (count != times)
        fail_msg("\"%s\" %u times in: %s", text, count, all);
    children_expect_end(child);
}

void children_expect_end(pid_t child)
{
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

void children_kill(pid_t child)
{
    int status = 0;

    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* How many threads of a process sleep in a system call. */
static size_t count_asleep(pid_t process)
{
    char path[300], line[256];
    struct dirent *entry;
    size_t count = 0;
    DIR *tasks;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    tasks = opendir(path);
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)process, entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (file == NULL)
            continue;
        count += fgets(line, sizeof(line), file) != NULL && strstr(line, ") S") != NULL;
        fclose(file);
    }
    if (tasks != NULL)
        closedir(tasks);
    return count;
}

void children_await_sleep(pid_t process, size_t threads)
{
    /* An emulator has a thread of its own, which sleeps. */
    size_t more = emulator_is_kernel();
    unsigned tries = 0;

    while (count_asleep(process) < threads + more) {
        assert_true(++tries < FAKE_WAIT_MS);
        poll(NULL, 0, 1);
    }
}

void children_need_seccomp(void)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        skip();
}

bool children_forbid(struct children_call call)
{
    /* Where the lower half of an argument is. */
    const unsigned half = __BYTE_ORDER == __BIG_ENDIAN ? 4 : 0;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (unsigned)offsetof(struct seccomp_data, args) + 8 * call.argument + half),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.value, 0, call.any ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | call.error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
           && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
