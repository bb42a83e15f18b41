/* SPDX-License-Identifier: BSD-2-Clause */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void redirect(const char *path, int target)
{
    int fd = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd < 0 || dup2(fd, target) < 0)
        _exit(126);
    if (fd != target)
        close(fd);
}

static void apply_environment(const char *const *env)
{
    for (; env && *env; env++) {
        if (!strchr(*env, '='))
            unsetenv(*env);
        else if (putenv((char *)(uintptr_t)*env) != 0)
            _exit(126);
    }
}

/* The first descriptor that is passed (sd_listen_fds(3)). */
#define FIRST_PASSED 3

/* They are moved out of the way first, as each may have a number that another one is to get. */
static void pass_descriptors(const struct process_setup *setup)
{
    static char pid[32];
    int *copies = calloc(setup->passed_count + 1, sizeof(*copies));
    int above = FIRST_PASSED + (int)setup->passed_count;

    for (unsigned i = 0; copies && i < setup->passed_count; i++)
        copies[i] = fcntl(setup->passed[i], F_DUPFD_CLOEXEC, above);
    for (unsigned i = 0; i < setup->passed_count; i++)
        if (!copies || dup2(copies[i], FIRST_PASSED + (int)i) < 0)
            _exit(126);
    free(copies);
    snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
    if (setup->passed_count > 0 && putenv(pid) != 0)
        _exit(126);
}

static _Noreturn void run_child(const struct process_setup *setup, pid_t parent)
{
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(126);
    redirect(setup->out, STDOUT_FILENO);
    redirect(setup->err, STDERR_FILENO);
    if (setup->directory && chdir(setup->directory) < 0)
        _exit(126);
    apply_environment(setup->env);
    pass_descriptors(setup);
    execvp(setup->argv[0], (char *const *)(uintptr_t)setup->argv);
    _exit(127);
}

bool process_start(struct process *process, const struct process_setup *setup)
{
    pid_t parent = getpid();

    *process = (struct process){.pidfd = -1};
    process->pid = fork();
    if (process->pid == 0)
        run_child(setup, parent);
    if (process->pid < 0) {
        process->pid = 0;
        return false;
    }
    setpgid(process->pid, process->pid);
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pidfd < 0) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, &process->status, 0);
        process->pid = 0;
        return false;
    }
    return true;
}

bool process_wait(struct process *process, int ms)
{
    struct pollfd pollfd = {.fd = process->pidfd, .events = POLLIN};
    int ready;

    if (process->pid == 0)
        return true;
    do
        ready = poll(&pollfd, 1, ms);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return false;
    waitpid(process->pid, &process->status, 0);
    close(process->pidfd);
    process->pid = 0;
    process->pidfd = -1;
    return true;
}

bool process_running(struct process *process)
{
    return process->pid != 0 && !process_wait(process, 0);
}

void process_signal(struct process *process, int signal)
{
    if (process->pid != 0)
        kill(-process->pid, signal);
}

bool process_end(struct process *process, int ms)
{
    if (process->pid == 0)
        return true;
    process_signal(process, SIGTERM);
    if (process_wait(process, ms))
        return true;
    process_signal(process, SIGKILL);
    process_wait(process, -1);
    return false;
}

int process_exit_status(const struct process *process)
{
    if (WIFEXITED(process->status))
        return WEXITSTATUS(process->status);
    return 128 + WTERMSIG(process->status);
}
