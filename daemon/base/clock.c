/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <time.h>

uint64_t clock_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int64_t clock_now(void)
{
    return clock_ms(clock_now_ns());
}

int clock_left(int64_t at, int pause)
{
    int64_t left = at - clock_now();

    return left > 0 && left <= pause ? (int)left : 0;
}
