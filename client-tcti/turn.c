/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum turn_byte { TURN, QUEUE, MAKER };

/* The pause before a process asks again for a lock that the kernel refused as a deadlock. */
#define TURN_DEADLOCK_MS 2

/* Returns 0 or a negative errno. */
static int turn_lock(const struct turn *turn, enum turn_byte byte, short type, int command)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int done;

    do
        done = fcntl(turn->fd, command, &lock);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : 0;
}

/*
 * The kernel looks for deadlocks among processes, not threads. So a process looks like half of a
 * deadlock when one of its threads waits for a connection while another thread has a command
 * outstanding on a second one.
 */
static int turn_wait(const struct turn *turn, enum turn_byte byte)
{
    int failed;

    for (;;) {
        failed = turn_lock(turn, byte, F_WRLCK, F_SETLKW);
        if (failed != -EDEADLK)
            return failed;
        poll(NULL, 0, TURN_DEADLOCK_MS);
    }
}

static void turn_unlock(const struct turn *turn, enum turn_byte byte)
{
    turn_lock(turn, byte, F_UNLCK, F_SETLK);
}

void turn_init(struct turn *turn, int fd, struct journal_page *page)
{
    *turn = (struct turn){.fd = fd, .page = page, .mutex = PTHREAD_MUTEX_INITIALIZER};
    if (page != NULL && turn_lock(turn, MAKER, F_WRLCK, F_SETLK) != 0)
        turn->page = NULL;
    turn->maker = turn->page != NULL;
}

void turn_forked(struct turn *turn)
{
    turn->maker = false;
    turn->holders = 0;
    /* Another thread of the parent may have held the mutex. */
    pthread_mutex_init(&turn->mutex, NULL);
}

/* Returns 0 or a negative errno; then no lock is held. */
static int turn_queue(struct turn *turn)
{
    int failed;

    if (atomic_load(&turn->page->waiting) == 0 && turn_lock(turn, TURN, F_WRLCK, F_SETLK) == 0)
        return 0;
    atomic_fetch_add(&turn->page->waiting, 1);
    failed = turn_wait(turn, QUEUE);
    if (failed == 0) {
        failed = turn_wait(turn, TURN);
        turn_unlock(turn, QUEUE);
    }
    atomic_fetch_sub(&turn->page->waiting, 1);
    return failed;
}

/* The turn among processes that know of each other. */
static int turn_acquire(struct turn *turn)
{
    int failed;

    if (atomic_load(&turn->page->joined) == 0)
        atomic_store(&turn->page->joined, 1);
    failed = turn_queue(turn);
    if (failed != 0 || atomic_load(&turn->page->maker_busy) == 0)
        return failed;
    /* With the lock MAKER the maker's command is over, or the maker is dead. */
    failed = turn_wait(turn, MAKER);
    if (failed == 0) {
        atomic_store(&turn->page->maker_busy, 0);
        turn_unlock(turn, MAKER);
    } else {
        turn_unlock(turn, TURN);
    }
    return failed;
}

/* The maker's turn, as long as no other process has joined. Here and above all processes see the
 * stores and loads in one order: a process that loads later sees what another one stored before. */
static bool turn_begin_alone(struct turn *turn)
{
    atomic_store(&turn->page->maker_busy, 1);
    if (atomic_load(&turn->page->joined) == 0)
        return true;
    atomic_store(&turn->page->maker_busy, 0);
    turn_unlock(turn, MAKER);
    turn->maker = false;
    return false;
}

int turn_take(struct turn *turn, bool *first)
{
    int failed = 0;

    *first = false;
    if (turn->page == NULL)
        return 0;
    pthread_mutex_lock(&turn->mutex);
    if (turn->holders == 0) {
        *first = true;
        if (!turn->maker || !turn_begin_alone(turn))
            failed = turn_acquire(turn);
    }
    if (failed == 0)
        turn->holders++;
    pthread_mutex_unlock(&turn->mutex);
    return failed;
}

bool turn_join(struct turn *turn)
{
    bool held;

    if (turn->page == NULL)
        return true;
    pthread_mutex_lock(&turn->mutex);
    held = turn->holders > 0;
    if (held)
        turn->holders++;
    pthread_mutex_unlock(&turn->mutex);
    return held;
}

static void turn_release(struct turn *turn)
{
    if (!turn->maker) {
        turn_unlock(turn, TURN);
        return;
    }
    atomic_store(&turn->page->maker_busy, 0);
    if (atomic_load(&turn->page->joined) == 0)
        return;
    turn_unlock(turn, MAKER);
    turn->maker = false;
}

void turn_give(struct turn *turn)
{
    if (turn->page == NULL)
        return;
    pthread_mutex_lock(&turn->mutex);
    if (turn->holders > 0 && --turn->holders == 0)
        turn_release(turn);
    pthread_mutex_unlock(&turn->mutex);
}
