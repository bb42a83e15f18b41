/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clock that jumps, for code that was compiled with seams.h. It reads as the monotonic clock, a
 * shift added; or it stands still. Any thread.
 */
#pragma once

#include <stdint.h>
#include <time.h>

/* Moves the clock from where it is. */
void warp_jump(int64_t milliseconds);

/* Stops the clock where it is, and lets it go on from there. */
void warp_stop(void);
void warp_go(void);

/* Back to the real clock. */
void warp_reset(void);

int warp_clock_gettime(clockid_t clock, struct timespec *now);
