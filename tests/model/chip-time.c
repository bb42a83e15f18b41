/* SPDX-License-Identifier: BSD-2-Clause */
#include "chip-time.h"

#include <time.h>

#define STILL_SECONDS 1000 /* any time does */

static bool asked;

/* Takes the place of libc's for libtpms, and for all else in the process. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = STILL_SECONDS};
    asked = true;
    return 0;
}

bool chip_time_was_asked(void)
{
    return asked;
}
