/* SPDX-License-Identifier: BSD-2-Clause */
#include "syscall-trap.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* What a stop at a system call says instead of SIGTRAP, by PTRACE_O_TRACESYSGOOD. */
#define TRAP_AT_CALL (SIGTRAP | 0x80)

/* How long a thread may take to stop, in milliseconds. */
#define TRAP_STOP_MS 20000

static bool trap_is_named(pid_t process, pid_t thread, const char *name)
{
    char path[64], line[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)process, (int)thread);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (fgets(line, sizeof(line), file))
        line[strcspn(line, "\n")] = '\0';
    fclose(file);
    return strcmp(line, name) == 0;
}

/* 0 when no thread has the name. */
static pid_t trap_find(pid_t process, const char *name)
{
    char path[32];
    struct dirent *entry;
    pid_t found = 0, thread;
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    tasks = opendir(path);
    while (tasks && found == 0 && (entry = readdir(tasks))) {
        thread = (pid_t)atoi(entry->d_name);
        if (thread > 0 && thread != process && trap_is_named(process, thread, name))
            found = thread;
    }
    if (tasks)
        closedir(tasks);
    return found;
}

/* The end of the first thread is that of the process, which is somebody else's to wait for. */
static bool trap_is_first(const struct syscall_trap *trap)
{
    return trap->thread == trap->process;
}

/* The thread's next stop, or its end. False when there is none yet. */
static bool trap_look(const struct syscall_trap *trap, siginfo_t *info)
{
    int events = WSTOPPED | (trap_is_first(trap) ? 0 : WEXITED);

    info->si_pid = 0;
    return waitid(P_PID, (id_t)trap->thread, info, events | WNOHANG | __WALL) == 0
           && info->si_pid == trap->thread;
}

static bool trap_await(const struct syscall_trap *trap, siginfo_t *info)
{
    for (int tries = 0; tries < TRAP_STOP_MS; tries++) {
        if (trap_look(trap, info))
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

/* Lets a thread that has stopped go on to its next system call, with the signal that it stopped
 * for. */
static bool trap_go_on(const struct syscall_trap *trap, const siginfo_t *info)
{
    long signal = info->si_status < NSIG && info->si_status != SIGTRAP ? info->si_status : 0;

    return ptrace(PTRACE_SYSCALL, trap->thread, NULL, signal) == 0;
}

int syscall_trap_set(struct syscall_trap *trap, pid_t process, const char *name)
{
    siginfo_t info;

    *trap = (struct syscall_trap){process, name ? trap_find(process, name) : process, 0};
    if (trap->thread == 0)
        return -ESRCH;
    if (ptrace(PTRACE_SEIZE, trap->thread, NULL, PTRACE_O_TRACESYSGOOD) != 0
        || ptrace(PTRACE_INTERRUPT, trap->thread, NULL, NULL) != 0)
        return -errno;
    return trap_await(trap, &info) && info.si_code == CLD_TRAPPED && trap_go_on(trap, &info)
               ? 0
               : -ETIMEDOUT;
}

/* The thread that ptrace() has hold of is reaped here; the process is somebody else's. */
static bool trap_end(const struct syscall_trap *trap)
{
    siginfo_t info;

    if (kill(trap->process, SIGKILL) != 0)
        return false;
    if (trap_is_first(trap))
        return true;
    while (trap_await(trap, &info))
        if (info.si_code != CLD_TRAPPED)
            return true;
    return false;
}

static void trap_open(const struct syscall_trap *trap)
{
    siginfo_t info;

    ptrace(PTRACE_INTERRUPT, trap->thread, NULL, NULL);
    if (trap_await(trap, &info))
        ptrace(PTRACE_DETACH, trap->thread, NULL, NULL);
}

bool syscall_trap_kill(struct syscall_trap *trap, unsigned stops, bool (*over)(void *data),
                       void *data)
{
    siginfo_t info;

    while (trap->stops < stops) {
        if (!trap_look(trap, &info)) {
            if (over(data)) {
                trap_open(trap);
                return false;
            }
            poll(NULL, 0, 1);
            continue;
        }
        if (info.si_code != CLD_TRAPPED)
            return false;
        if (info.si_status == TRAP_AT_CALL && ++trap->stops == stops)
            break;
        if (!trap_go_on(trap, &info))
            return false;
    }
    return trap_end(trap);
}
