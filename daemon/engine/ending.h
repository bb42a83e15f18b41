/* SPDX-License-Identifier: BSD-2-Clause */
/* The time that there is to end in: how long the running command is left alone, when it is
 * canceled, and when it is given up. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing ends. */
struct ending {
    int64_t at;    /* when the running command is given up; clock_now() */
    int within;    /* milliseconds before that, when it was told to end */
    int patience;  /* milliseconds from then on, when the command is canceled */
    bool canceled; /* it was */
};

/* The end is in `within` milliseconds at the latest, and the running command is canceled after
 * `patience` of them. */
void ending_begin(struct ending *ending, int within, int patience);

/* Milliseconds until the running command is given up; 0 when it is time for that. */
int ending_left(const struct ending *ending);

/* True once, when the running command is to be canceled. */
bool ending_cancels(struct ending *ending);

/* Milliseconds until one of the two is due. */
int ending_next(const struct ending *ending);
