/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: monotonic, which stands still while the machine sleeps. It may jump ahead when
 * the process was stopped; should it ever go back, nothing waits for it to catch up. Any thread.
 */
#pragma once

#include <stdint.h>

/* Now, in milliseconds and in nanoseconds. */
int64_t clock_now(void);
uint64_t clock_now_ns(void);

/* Milliseconds until `at`, which was set `pause` ahead at the most. 0 when it has come, and when it
 * is further away than that: then the clock went back. */
int clock_left(int64_t at, int pause);
