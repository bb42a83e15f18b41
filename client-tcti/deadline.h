/* SPDX-License-Identifier: BSD-2-Clause */
/* Points in time on the monotonic clock, for waits that signals and partial reads interrupt. */
#pragma once

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>

#define DEADLINE_NEVER INT64_C(-1)
#define DEADLINE_NOW   INT64_C(0) /* always over: waits with it never block */

/* Connecting takes no longer than this in all, so that with what the caller does around it the
 * 5 s that tabrmd promises are kept. */
#define DEADLINE_CONNECT_MS 4500

/* Within that time something is asked so often at the most, as one daemon after the other dies
 * before its answer. The answer takes a moment: who dies in it again and again dies of it. */
#define DEADLINE_CONNECT_TRIES 3

static inline int64_t deadline_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The point in time `ms` milliseconds from now. */
static inline int64_t deadline_in(unsigned ms)
{
    return deadline_clock_ms() + ms;
}

/* The sooner of `deadline` and the point in time `ms` milliseconds from now. */
static inline int64_t deadline_sooner(int64_t deadline, unsigned ms)
{
    int64_t soon = deadline_in(ms);

    return deadline == DEADLINE_NEVER || soon < deadline ? soon : deadline;
}

/* What is left until `deadline`, as poll() takes it. */
static inline int deadline_left_ms(int64_t deadline)
{
    int64_t left;

    if (deadline == DEADLINE_NEVER)
        return -1;
    if (deadline == DEADLINE_NOW)
        return 0;
    left = deadline - deadline_clock_ms();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Waits until `fd` is ready for `events`, or has failed. Returns 0, -ETIMEDOUT or another
 * negative errno. */
static inline int deadline_poll(int fd, short events, int64_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int count;

    for (;;) {
        count = poll(&poll_fd, 1, deadline_left_ms(deadline));
        if (count > 0)
            return 0;
        if (count == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}
