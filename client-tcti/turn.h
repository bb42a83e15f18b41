/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the processes that share a connection uses it: one at a time, from a command's first
 * byte until its response is received whole.
 *
 * The lock is a record lock of fcntl() on the connection's socket. Such a lock belongs to a process
 * and not to a thread, is not inherited by a child, and is released by the kernel when the process
 * ends, however it ends. Three bytes are locked:
 *
 *   TURN    by the process that uses the connection
 *   QUEUE   by the next one, while it waits for TURN; so that who gave TURN back and wants it again
 *           comes after it
 *   MAKER   by the process that made the connection, from then on until it sees that another one
 *           uses it too
 *
 * Until then the maker makes no system call for a turn, and takes no mutex. It says in the shared
 * page that it is at work, and then looks whether another process has joined; who joins says so
 * first, and then looks whether the maker is at work. One of them sees the other. A maker that was
 * seen at work is waited for by MAKER, which it releases when its command is over, or the kernel
 * when it dies.
 *
 * Within the process a turn is counted: cancel takes part in the turn of the command that it
 * cancels, so that it cannot meet the command of another process.
 *
 * What becomes of a connection with a command outstanding, and of its other users:
 *
 *   event in one process                for that process      for the others
 *   fork()                              goes on               child: connection idle, commands
 *                                                               of its own after the parent's
 *   transmit while another's is         waits                 –
 *     outstanding
 *   receive, cancel without a command   BAD_SEQUENCE at once  –
 *     of its own, whatever others do
 *   death before the command was sent   –                     nothing was sent
 *   death in the middle of a command    –                     the next one sends the rest, and
 *                                                               drops the response
 *   the same, with a command over       –                     NO_CONNECTION: nobody has the
 *     JOURNAL_FRAME_MAX                                         rest
 *   death before its response, or in    –                     the next one takes the rest of
 *     the middle of it; finalize; exec                          the response and drops it
 *   death in a system call that was     –                     NO_CONNECTION: nobody knows what
 *     begun before the first fork, in                           it has moved
 *     another thread
 *   an error that breaks the            NO_CONNECTION         NO_CONNECTION
 *     connection
 *   finalize without a command          BAD_CONTEXT           nothing
 *   SetLocality                         in force              in force: it is the connection's
 *   death in a call over the bus        –                     Cancel and SetLocality fail,
 *                                                               commands go on
 *   a descriptor that is a duplicate    its turn is lost      if another one takes it, the
 *     of the connection's is closed                             connection is shut down rather
 *                                                               than one's bytes given to the
 *                                                               other
 *
 * A process that shares its table of descriptors with another, but not its memory, cannot be told
 * from it by its locks; such a pair must not share a connection.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <tss2/tss2_tcti.h>

#include "journal.h"

struct turn {
    int fd;
    struct journal_page *page; /* NULL: the connection is not shared, a turn is nothing */
    atomic_bool maker;         /* the lock MAKER is held; the page counts who takes part */
    unsigned holders;          /* else: calls of this process that take part in its turn */
    pthread_mutex_t mutex;     /* over `holders`, and taking and giving the lock TURN */
};

/* The turn of the connection `fd`. Without a page, or where the kernel does not lock sockets, the
 * connection cannot be shared, and `page` is NULL. */
void turn_init(struct turn *turn, int fd, struct journal_page *page);

/* Makes a child forget what its parent held. */
void turn_forked(struct turn *turn);

/* Waits for the turn. Returns 0 or a negative errno. `*first` says whether this process did not
 * have it already. */
int turn_take(struct turn *turn, bool *first);

/* Takes part in a turn that this process has. False when it has none. */
bool turn_join(struct turn *turn);

/* The reverse of turn_take() and turn_join(). */
void turn_give(struct turn *turn);
