/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's loop: descriptors, and functions to call when something happened to them; and
 * deadlines.
 *
 * While the TPM works on a command the engine goes on in a nested loop, so that it can cancel the
 * command, let clients in, or end. The stack above holds a client and the resource manager in the
 * middle of a command. So what runs there is bounded, and it is only this:
 *
 * - messages of other threads: connect, cancel, locality, query, survey, trace, disconnect, flush,
 *   change, sleep, stop; their answers, and pieces of lists (survey.h)
 * - newcomers at the listening socket become clients, or are turned away
 * - bytes come out of clients' sockets into their own buffers, and answers go on; control frames
 *   are carried out; a client that hung up is marked as closed
 * - readers of a trace come and go (trace-readers.h)
 * - what the chip's neighbours do is seen, and the reserve is set (rm_set_reserve())
 *
 * What is not: no client is freed, no command is taken from a client for the TPM, the manager is
 * not entered, no deadline is looked at. loop_assert_flat() stands where these are done.
 */
#pragma once

#include "base/list.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* How many things that happened epoll tells of when it is asked once. */
#define LOOP_EVENTS 256

/* A descriptor that the loop looks at; embedded in its owner. */
struct watch {
    /* What happened, as epoll says it; level or edge as the mask has it. */
    void (*happened)(struct watch *watch, uint32_t events);
    int fd;
    uint32_t mask; /* what epoll was asked for last */
    bool once;     /* called once in a loop_run(), however often that asks epoll */
};

/* A deadline; embedded in its owner. */
struct timer {
    struct list link;
    void (*due)(struct timer *timer);
    int64_t at; /* clock_now() */
    int pause;  /* milliseconds before `at` that it was set */
};

struct loop {
    int fd; /* epoll's; readable when something happened */
    struct list timers;
    unsigned nested; /* TPM commands under way: 0 or 1 */
    /* What epoll told of last. No function that is called for it begins a TPM command, or asks
     * epoll again. */
    struct epoll_event events[LOOP_EVENTS];
};

/* 0, or a negative errno: then loop_clear() is harmless. */
int loop_init(struct loop *loop);

/* Watched descriptors may be closed before or after. */
void loop_clear(struct loop *loop);

/*
 * Watches a descriptor until it is closed with all its duplicates. 0, or a negative errno, -ENOSPC
 * for epoll's own limit. Any thread, as long as `mask` has no events.
 */
int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t mask);

/* Ends that before the descriptor is closed, of which others may have duplicates: for these epoll
 * would go on to tell of `watch`. */
void loop_unwatch(const struct loop *loop, const struct watch *watch);

/* Asks for other events; no system call when they are those of before. 0, or a negative errno. */
int loop_change(const struct loop *loop, struct watch *watch, uint32_t mask);

void timer_init(struct timer *timer, void (*due)(struct timer *timer));

/* The timer is due in `pause` milliseconds, once. */
void loop_arm(struct loop *loop, struct timer *timer, int pause);

/* The same from `now` on, which is clock_now(). */
void loop_arm_from(struct loop *loop, struct timer *timer, int64_t now, int pause);

/* Harmless for one that is not armed. */
void timer_disarm(struct timer *timer);
bool timer_is_armed(const struct timer *timer);

/*
 * Waits until something happens, a deadline comes, or `most` milliseconds are over, -1 for never;
 * then calls the functions of all to which something happened. Asks epoll up to `rounds` times in
 * a row, as each time tells of a bounded number. Deadlines come last.
 */
void loop_run(struct loop *loop, int most, unsigned rounds);

/* A TPM command begins, or has ended. Between these only loop_run_nested() may be called. */
void loop_begin_nested(struct loop *loop);
void loop_end_nested(struct loop *loop);

/* Calls the functions of a bounded number to which something happened. Does not wait. */
void loop_run_nested(struct loop *loop);

/* What follows must not run inside of a TPM command. */
static inline void loop_assert_flat(const struct loop *loop)
{
    (void)loop; /* where asserts are compiled out */
    assert(loop->nested == 0);
}
