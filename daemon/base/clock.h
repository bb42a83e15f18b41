/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monotonic clock, which stands still while the machine sleeps. It jumps ahead when the process
 * was stopped. If it ever goes back, no deadline waits for it to catch up. Any thread.
 */
#pragma once

#include <stdint.h>

/* Now, in milliseconds and in nanoseconds. */
int64_t clock_now(void);
uint64_t clock_now_ns(void);

/* Nanoseconds as whole milliseconds. */
static inline int64_t clock_ms(uint64_t nanoseconds)
{
    return (int64_t)(nanoseconds / 1000000);
}

/* Milliseconds until `at`, which was set at most `pause` ahead. 0 when `at` has come, or when it is
 * further away than `pause`, because the clock went back. */
int clock_left(int64_t at, int pause);
