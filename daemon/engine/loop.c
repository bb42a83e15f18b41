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
    timer->pause = pause;
    timer->at = clock_now() + pause;
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

/* Milliseconds until the first deadline, `most` at the most; -1 when neither is. */
static int loop_timeout(const struct loop *loop, int most)
{
    if (most == 0)
        return 0;
    list_for_each (it, &loop->timers) {
        const struct timer *timer = list_entry(it, struct timer, link);
        int left = clock_left(timer->at, timer->pause);

        most = most < 0 || left < most ? left : most;
    }
    return most;
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

/* Asks epoll once. False when it has told of all that happened. */
static bool loop_round(struct loop *loop, int timeout, bool first)
{
    struct epoll_event events[LOOP_EVENTS];
    int count = epoll_wait(loop->fd, events, LOOP_EVENTS, timeout);

    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;

        if (first || !watch->once)
            watch->happened(watch, events[i].events);
    }
    return count == LOOP_EVENTS;
}

void loop_run(struct loop *loop, int most, unsigned rounds)
{
    int timeout = loop_timeout(loop, most);

    loop_assert_flat(loop);
    for (unsigned i = 0; i < rounds && loop_round(loop, timeout, i == 0); i++)
        timeout = 0;
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

void loop_assert_flat(const struct loop *loop)
{
    assert(loop->nested == 0);
}
