/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kills a process in an instant that is the test's to choose: when one of its threads goes into a
 * system call, or comes out of it. By ptrace(), so all functions are called in one thread, and a
 * process that hides from others can be trapped by root alone.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct syscall_trap {
    pid_t process, thread;
    unsigned stops; /* at system calls, so far */
};

/* Traps the thread of this name, or the process's first for NULL; it goes on. 0 or a negative
 * errno: -ESRCH when there is none, -EPERM when this process may not. */
int syscall_trap_set(struct syscall_trap *trap, pid_t process, const char *name);

/*
 * Kills the process when the thread has gone into a system call, or come out of one, `stops` times.
 * The thread may wait in one at first. False when `over`, which is asked every millisecond, says
 * so before; then the thread goes on, and is trapped no more.
 */
bool syscall_trap_kill(struct syscall_trap *trap, unsigned stops, bool (*over)(void *data),
                       void *data);
