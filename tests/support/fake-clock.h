/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clock that jumps, for code that was compiled with seams.h. It runs as fast as the monotonic
 * clock, or stands still. It has a beginning of its own, so that a jump back leads to the same time
 * whenever the machine was booted. Any thread.
 */
#pragma once

#include <stdint.h>
#include <time.h>

/* What the clock reads at first, seconds: more than any test jumps back. */
#define FAKE_CLOCK_BEGINNING INT64_C(100000000)

/* Moves the clock from where it is. */
void fake_clock_jump(int64_t milliseconds);

/* Stops the clock where it is, and lets it go on from there. */
void fake_clock_stop(void);
void fake_clock_go(void);

/* Undoes all jumps and stops. */
void fake_clock_reset(void);

int fake_clock_gettime(clockid_t clock, struct timespec *now);
