/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

enum turn_byte { TURN, QUEUE, MAKER };

/* In place of the count of who takes part in the maker's turn: it looks whether it may have one. */
#define TURN_ASKING UINT_MAX

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
    atomic_init(&turn->maker, turn->page != NULL);
}

void turn_forked(struct turn *turn)
{
    atomic_init(&turn->maker, false);
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

static bool turn_is_makers(const struct turn *turn)
{
    return atomic_load_explicit(&turn->maker, memory_order_relaxed);
}

/* From now on the maker takes its turns as others do. It takes part in none now. */
static void turn_leave_maker(struct turn *turn)
{
    turn_unlock(turn, MAKER);
    atomic_store(&turn->maker, false);
}

/* Takes part in the maker's turn, if it has one. */
static bool turn_join_alone(struct turn *turn)
{
    unsigned holders = atomic_load(&turn->page->maker_busy);

    while (holders != 0 && holders != TURN_ASKING)
        if (atomic_compare_exchange_weak(&turn->page->maker_busy, &holders, holders + 1))
            return true;
    return false;
}

/* The maker's turn, as long as no other process has joined. Here and above all processes see the
 * stores and loads in one order: a process that loads later sees what another one stored before. */
static bool turn_begin_alone(struct turn *turn, bool *first)
{
    unsigned none;

    do {
        if (turn_join_alone(turn))
            return true;
        none = 0;
    } while (!atomic_compare_exchange_strong(&turn->page->maker_busy, &none, TURN_ASKING));
    *first = atomic_load(&turn->page->joined) == 0;
    if (*first) {
        atomic_store_explicit(&turn->page->maker_busy, 1, memory_order_release);
    } else {
        atomic_store(&turn->page->maker_busy, 0);
        turn_leave_maker(turn);
    }
    return *first;
}

int turn_take(struct turn *turn, bool *first)
{
    int failed = 0;

    *first = false;
    if (turn->page == NULL || (turn_is_makers(turn) && turn_begin_alone(turn, first)))
        return 0;
    pthread_mutex_lock(&turn->mutex);
    *first = turn->holders == 0;
    if (*first)
        failed = turn_acquire(turn);
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
    if (turn_is_makers(turn))
        return turn_join_alone(turn);
    pthread_mutex_lock(&turn->mutex);
    held = turn->holders > 0;
    if (held)
        turn->holders++;
    pthread_mutex_unlock(&turn->mutex);
    return held;
}

/* The last one to take part looks whether another process waits for the end of the turn. */
static void turn_give_alone(struct turn *turn)
{
    unsigned holders = atomic_load(&turn->page->maker_busy);

    while (holders != 0 && holders != TURN_ASKING)
        if (atomic_compare_exchange_weak(&turn->page->maker_busy, &holders, holders - 1))
            break;
    if (holders == 1 && atomic_load(&turn->page->joined) != 0)
        turn_leave_maker(turn);
}

void turn_give(struct turn *turn)
{
    if (turn->page == NULL)
        return;
    if (turn_is_makers(turn)) {
        turn_give_alone(turn);
        return;
    }
    pthread_mutex_lock(&turn->mutex);
    if (turn->holders > 0 && --turn->holders == 0)
        turn_unlock(turn, TURN);
    pthread_mutex_unlock(&turn->mutex);
}
