/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A service manager for one daemon, as systemd is to a unit with FileDescriptorStoreMax=: it has
 * NOTIFY_SOCKET, keeps what the daemon stores, drops what hangs up, and starts the daemon again
 * with all of that. Restart=on-failure, RestartKillSignal=SIGUSR1 and
 * RestartForceExitStatus=SIGUSR1 hold; there is no start limit and no pause before a start.
 *
 * It works in a thread of its own. What was sent to it before the daemon's end is looked at before
 * the next start, as systemd does. All waiting is bounded, and false or -1 says that it was in
 * vain.
 */
#pragma once

#include "process.h"

struct keeper;

struct keeper_setup {
    const char *directory;   /* that exists; the socket `notify` is made there */
    const char *const *argv; /* as in struct process_setup, with the next one; copied */
    const char *const *env;
    const char *log;   /* file for what the daemon says; NULL: nowhere */
    unsigned max;      /* descriptors that are kept; 0: none, and FDSTORE is not set */
    int listening;     /* a listening socket that each daemon gets first, named by the next one, */
    const char *named; /* as if by a socket unit; NULL: there is none */
};

/* No daemon runs at first. NULL with a sentence on standard error. */
struct keeper *keeper_new(const struct keeper_setup *setup);

/* Kills a daemon that runs, and closes all that is kept. NULL is fine. */
void keeper_free(struct keeper *keeper);

/* Starts the daemon, and waits until it says that it is ready. */
bool keeper_start(struct keeper *keeper);

/* Ends the daemon with SIGTERM, and drops what is kept. Its exit status (process_exit_status()), or
 * -1 when it does not end. */
int keeper_stop(struct keeper *keeper);

/* As systemctl restart: SIGUSR1, and a new daemon however that ends. Waits until the new one is
 * ready. */
bool keeper_restart(struct keeper *keeper);

/* Sends the daemon a signal of which it ends, and waits until the next one is ready. */
bool keeper_kill(struct keeper *keeper, int signal);

/* Sends the daemon a signal. */
void keeper_signal(struct keeper *keeper, int signal);

/* Waits until the daemon number `start`, counted from 1 on, is ready, or a later one. */
bool keeper_await_ready(struct keeper *keeper, unsigned start);

/* Waits until no daemon runs. */
bool keeper_await_ended(struct keeper *keeper);

/* With true no daemon is started from now on: there is a gap after the end of the one that runs. */
void keeper_pause(struct keeper *keeper, bool paused);

/* With true nothing that is sent is looked at until the daemon has ended, nor who hangs up. */
void keeper_hold(struct keeper *keeper, bool held);

/* Waits until `count` descriptors are kept under this name; NULL: in all. */
bool keeper_await_kept(struct keeper *keeper, const char *name, unsigned count);

/* Another descriptor of the first that is kept under this name, to be closed; -1 when there is
 * none.
 */
int keeper_descriptor(struct keeper *keeper, const char *name);

unsigned keeper_kept(struct keeper *keeper, const char *name); /* descriptors; NULL: all */
unsigned keeper_starts(struct keeper *keeper);    /* daemons that were started so far */
unsigned keeper_refused(struct keeper *keeper);   /* descriptors that there was no room for */
unsigned keeper_strangers(struct keeper *keeper); /* messages that were not the daemon's */
pid_t keeper_pid(struct keeper *keeper);          /* of the daemon that runs, or 0 */
int keeper_status(struct keeper *keeper);         /* of the last daemon that ended */
