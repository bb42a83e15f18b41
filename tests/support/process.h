/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Child processes of a test. Each dies with the test (PR_SET_PDEATHSIG) and is reaped by it; all
 * waiting is on a pidfd with a bound. Each leads a process group, which signals go to, so that
 * what a shell has started ends with it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    int status; /* as of waitpid(), valid once reaped */
};

struct process_setup {
    const char *const *argv; /* NULL-ended; argv[0] is looked up in PATH */
    const char *const *env;  /* "NAME=VALUE" added to the environment, "NAME" taken out; or NULL */
    const char *directory;   /* to start in, or NULL */
    const char *out;         /* file for standard output (appended), or NULL for /dev/null */
    const char *err;         /* the same for standard error; may be the same file */
    const int *passed;       /* descriptors that the child has from number 3 on, as a service's */
    unsigned passed_count;   /* main process has them: LISTEN_PID is the child's; or 0 */
};

/* Starts a child with signals at their defaults. False when it cannot be started; a program that
 * cannot be executed exits with status 127. */
bool process_start(struct process *process, const struct process_setup *setup);

/* True while the child runs. */
bool process_running(struct process *process);

/* Waits up to `ms` milliseconds for the end of the child. False when it still runs. */
bool process_wait(struct process *process, int ms);

void process_signal(struct process *process, int signal);

/* Ends the child: SIGTERM, and SIGKILL when it has not ended in `ms` milliseconds. True when the
 * first was enough. A child that is gone is fine. */
bool process_end(struct process *process, int ms);

/* The exit status, or 128 + signal as a shell says it. */
int process_exit_status(const struct process *process);
