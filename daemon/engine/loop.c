/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/loop.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_init(struct loop *loop)
{
    loop->nested = 0;
    list_init(&loop->timers);
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->fd < 0 ? -errno : 0;
}

void loop_clear(struct loop *loop)
{
    if (loop->fd >= 0)
        close(loop->fd);
    loop->fd = -1;
}

static int loop_control(const struct loop *loop, int how, struct watch *watch, uint32_t mask)
{
    struct epoll_event event = {mask, {.ptr = watch}};

    if (epoll_ctl(loop->fd, how, watch->fd, &event) < 0)
        return -errno;
    watch->mask = mask;
    return 0;
}

int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t mask)
{
    watch->fd = fd;
    return loop_control(loop, EPOLL_CTL_ADD, watch, mask);
}

void loop_unwatch(const struct loop *loop, const struct watch *watch)
{
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

int loop_change(const struct loop *loop, struct watch *watch, uint32_t mask)
{
    return watch->mask == mask ? 0 : loop_control(loop, EPOLL_CTL_MOD, watch, mask);
}

void timer_init(struct timer *timer, void (*due)(struct timer *timer))
{
    *timer = (struct timer){.due = due};
    list_init(&timer->link);
}

void loop_arm(struct loop *loop, struct timer *timer, int pause)
{
    loop_arm_from(loop, timer, clock_now(), pause);
}

void loop_arm_from(struct loop *loop, struct timer *timer, int64_t now, int pause)
{
    timer->pause = pause;
    timer->at = now + pause;
    list_remove(&timer->link);
    list_insert_before(&loop->timers, &timer->link);
}

void timer_disarm(struct timer *timer)
{
    list_remove(&timer->link);
}

bool timer_is_armed(const struct timer *timer)
{
    return !list_empty(&timer->link);
}

/* The sooner of two waits; -1 is for ever. */
static int loop_sooner(int a, int b)
{
    return a >= 0 && (b < 0 || a < b) ? a : b;
}

/* Milliseconds until the first deadline; -1 when there is none. */
static int loop_left(const struct loop *loop)
{
    int first = -1;

    list_for_each (it, &loop->timers) {
        const struct timer *timer = list_entry(it, struct timer, link);

        first = loop_sooner(clock_left(timer->at, timer->pause), first);
    }
    return first;
}

/* A function may arm and disarm any timer; one that it arms has its turn in the next loop_run(). */
static void loop_call_due(struct loop *loop)
{
    struct list due;

    list_init(&due);
    list_for_each (it, &loop->timers) {
        struct timer *timer = list_entry(it, struct timer, link);

        if (clock_left(timer->at, timer->pause) > 0)
            continue;
        list_remove(it);
        list_insert_before(&due, it);
    }
    while (!list_empty(&due)) {
        struct timer *timer = list_entry(due.next, struct timer, link);

        timer_disarm(timer);
        if (timer->due)
            timer->due(timer);
    }
}

/* Asks epoll once. Of how many things it told; LOOP_EVENTS when there may be more. */
static int loop_round(struct loop *loop, int timeout, bool first)
{
    int count = epoll_wait(loop->fd, loop->events, LOOP_EVENTS, timeout);

    for (int i = 0; i < count; i++) {
        struct watch *watch = loop->events[i].data.ptr;

        if (first || !watch->once)
            watch->happened(watch, loop->events[i].events);
    }
    return count;
}

/* The clock is read once, unless nothing happened: a deadline that comes during the wait for
 * something that happened is looked at in the next call. */
void loop_run(struct loop *loop, int most, unsigned rounds)
{
    int left = loop_left(loop), count;
    bool quiet;

    loop_assert_flat(loop);
    count = loop_round(loop, loop_sooner(left, most), true);
    quiet = count <= 0;
    for (unsigned i = 1; i < rounds && count == LOOP_EVENTS; i++)
        count = loop_round(loop, 0, false);
    if (left == 0 || quiet)
        loop_call_due(loop);
}

void loop_begin_nested(struct loop *loop)
{
    assert(loop->nested == 0);
    loop->nested++;
}

void loop_end_nested(struct loop *loop)
{
    assert(loop->nested == 1);
    loop->nested--;
}

void loop_run_nested(struct loop *loop)
{
    assert(loop->nested == 1);
    loop_round(loop, 0, true);
}
