/* SPDX-License-Identifier: BSD-2-Clause */
#include "warp.h"

#include <pthread.h>
#include <stdbool.h>

#define SECOND INT64_C(1000000000)

static struct {
    pthread_mutex_t lock;
    bool stopped;
    int64_t shift; /* of the real clock, nanoseconds */
    int64_t still; /* what a stopped clock reads */
    int64_t start; /* the real clock when this one began, 0 before that */
} warp = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The real clock since its first reading here, counted from WARP_BEGINNING. Under the lock. */
static int64_t own_time(void)
{
    struct timespec now;
    int64_t real;

    clock_gettime(CLOCK_MONOTONIC, &now);
    real = now.tv_sec * SECOND + now.tv_nsec;
    if (warp.start == 0)
        warp.start = real;
    return WARP_BEGINNING * SECOND + real - warp.start;
}

void warp_jump(int64_t milliseconds)
{
    pthread_mutex_lock(&warp.lock);
    warp.shift += milliseconds * 1000000;
    warp.still += milliseconds * 1000000;
    pthread_mutex_unlock(&warp.lock);
}

void warp_stop(void)
{
    pthread_mutex_lock(&warp.lock);
    warp.still = own_time() + warp.shift;
    warp.stopped = true;
    pthread_mutex_unlock(&warp.lock);
}

void warp_go(void)
{
    pthread_mutex_lock(&warp.lock);
    if (warp.stopped)
        warp.shift = warp.still - own_time();
    warp.stopped = false;
    pthread_mutex_unlock(&warp.lock);
}

void warp_reset(void)
{
    pthread_mutex_lock(&warp.lock);
    warp.stopped = false;
    warp.shift = 0;
    pthread_mutex_unlock(&warp.lock);
}

int warp_clock_gettime(clockid_t clock, struct timespec *now)
{
    int64_t time;

    if (clock != CLOCK_MONOTONIC)
        return clock_gettime(clock, now);
    pthread_mutex_lock(&warp.lock);
    time = warp.stopped ? warp.still : own_time() + warp.shift;
    pthread_mutex_unlock(&warp.lock);
    *now = (struct timespec){time / SECOND, time % SECOND};
    return 0;
}
