/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that share a connection, and a daemon's end whose answers tell whose they are. Helpers
 * fail the running test, or end the child that calls them; those that return a bool do neither.
 */
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>

#include "fake-daemon.h"

/* Starts a child that ends with its parent. Returns 0 in the child. */
pid_t children_start(void);

/* The same; what the child says on standard error can be read from `*said`. */
pid_t children_start_heard(int *said);

/* The same; the child comes to know when it can read from `go` that the connection is broken: its
 * command must be NO_CONNECTION, and wait for nobody. */
pid_t children_start_late(const struct fake_link *link, int go, int *said);

/* Waits for the end of a child, which must be with status 0. */
void children_expect_end(pid_t child);

/* Waits for the same, and checks how often the child said `text`. Closes `said`. */
void children_expect_said(pid_t child, int said, const char *text, unsigned times);

/* Kills a child that must still live. */
void children_kill(pid_t child);

/* Waits until so many threads of a process sleep in system calls. */
void children_await_sleep(pid_t process, size_t threads);

/* The descriptor of a context. */
int children_fd(const struct fake_link *link);

/* Hands the daemon's end to a process that answers each command with the command, and each request
 * with yes. It ends with the last of those who can send some. */
pid_t children_serve(struct fake_link *link);

/* Finalizes the context and waits for the end of that process. */
void children_end_server(struct fake_link *link, pid_t server);

/* Sends a command that is this process's and `number`'s alone, of 20 + number % 380 bytes, and
 * receives the answer, which must be the same. */
bool children_echo(const struct fake_link *link, unsigned number);
bool children_echo_often(const struct fake_link *link, unsigned times);

/* What C libraries call on processors of 32 bits where they call the plain one elsewhere. */
#ifdef SYS_fcntl64
#define CHILDREN_FCNTL SYS_fcntl64
#else
#define CHILDREN_FCNTL SYS_fcntl
#endif
#ifdef SYS_mmap2
#define CHILDREN_MMAP SYS_mmap2
#else
#define CHILDREN_MMAP SYS_mmap
#endif

/* A system call with this value of its argument, counted from 0, or with any; and the errno that it
 * gives, or 0: it succeeds and does nothing. */
struct children_call {
    unsigned call;
    unsigned argument;
    unsigned value;
    unsigned error;
    bool any;
};

/* Forbids this process, and its children to come, such a call. False where the kernel has no
 * seccomp. */
bool children_forbid(struct children_call call);

/* Skips the test where the kernel has none. */
void children_need_seccomp(void);
