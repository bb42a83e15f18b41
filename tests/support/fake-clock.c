/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake-clock.h"

#include <pthread.h>
#include <stdbool.h>

#define SECOND INT64_C(1000000000)

static struct {
    pthread_mutex_t lock;
    bool stopped;
    int64_t shift; /* of the real clock, nanoseconds */
    int64_t still; /* what a stopped clock reads */
    int64_t start; /* the real clock when this one began, 0 before that */
} fake_clock = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The real clock since its first reading here, from FAKE_CLOCK_BEGINNING on. Under the lock. */
static int64_t own_time(void)
{
    struct timespec now;
    int64_t real;

    clock_gettime(CLOCK_MONOTONIC, &now);
    real = now.tv_sec * SECOND + now.tv_nsec;
    if (fake_clock.start == 0)
        fake_clock.start = real;
    return FAKE_CLOCK_BEGINNING * SECOND + real - fake_clock.start;
}

void fake_clock_jump(int64_t milliseconds)
{
    pthread_mutex_lock(&fake_clock.lock);
    fake_clock.shift += milliseconds * 1000000;
    fake_clock.still += milliseconds * 1000000;
    pthread_mutex_unlock(&fake_clock.lock);
}

void fake_clock_stop(void)
{
    pthread_mutex_lock(&fake_clock.lock);
    fake_clock.still = own_time() + fake_clock.shift;
    fake_clock.stopped = true;
    pthread_mutex_unlock(&fake_clock.lock);
}

void fake_clock_go(void)
{
    pthread_mutex_lock(&fake_clock.lock);
    if (fake_clock.stopped)
        fake_clock.shift = fake_clock.still - own_time();
    fake_clock.stopped = false;
    pthread_mutex_unlock(&fake_clock.lock);
}

void fake_clock_reset(void)
{
    pthread_mutex_lock(&fake_clock.lock);
    fake_clock.stopped = false;
    fake_clock.shift = 0;
    pthread_mutex_unlock(&fake_clock.lock);
}

int fake_clock_gettime(clockid_t clock, struct timespec *now)
{
    int64_t time;

    if (clock != CLOCK_MONOTONIC)
        return clock_gettime(clock, now);
    pthread_mutex_lock(&fake_clock.lock);
    time = fake_clock.stopped ? fake_clock.still : own_time() + fake_clock.shift;
    pthread_mutex_unlock(&fake_clock.lock);
    *now = (struct timespec){time / SECOND, time % SECOND};
    return 0;
}
