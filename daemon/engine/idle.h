/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the TPM is cleaned up, and how far. After a quiet time loaded objects are saved, or the TPM
 * is left empty where others may want it. Before the machine sleeps nothing is left in the TPM that
 * sleep would lose. Clean-up is one chip command at a time, so that a client's command comes in
 * between.
 */
#pragma once

#include "engine/loop.h"
#include "rm/rm.h"

#define IDLE_NEVER (-1)
#define IDLE_AUTO  (-2) /* when somebody else may use the TPM */

struct idle {
    struct loop *loop;
    struct timer quiet;
    int release_ms;    /* quiet time after which the TPM is left empty, or one of the above */
    bool sleep_untold; /* the machine may sleep without a word */
    bool due;          /* the quiet time is over, and there may be something to clean up */
    unsigned ordered;  /* steps that are left of idle_order() */
    bool kept_loaded;  /* it was cleaned up, and what may be used again is still in the TPM */
};

/* How far a clean-up has come. */
enum idle_progress {
    IDLE_MORE,     /* to do: another step, now or after a quiet time */
    IDLE_CLEAN,    /* all is done that the TPM lets be done */
    IDLE_NO_MEMORY /* for want of memory things are left in the TPM that should not be */
};

void idle_init(struct idle *idle, struct loop *loop, int release_ms, bool sleep_untold);

/* Sets another quiet time, or one of the above, which holds for the things that are loaded now. */
void idle_set_release(struct idle *idle, int release_ms);

/* Something happened that may leave the TPM with things to clean up: the quiet time begins. `now`
 * is clock_now(). */
void idle_arm(struct idle *idle, int64_t now);

/* Another user may want the TPM: what was kept loaded leaves after the next quiet time. */
void idle_make_way(struct idle *idle);

/* Has the TPM left empty now, without a quiet time; at the most IDLE_ORDERED_STEPS are gone for
 * it. Also inside of a TPM command. */
#define IDLE_ORDERED_STEPS 512
void idle_order(struct idle *idle);

/*
 * One step, at most one chip command. `suspending` is a clean-up for the machine's sleep, for which
 * it need not be due; `others` says that somebody else may want the TPM. `rm` is NULL where there
 * is no TPM to clean up. Not inside of a TPM command.
 */
enum idle_progress idle_step(struct idle *idle, struct rm *rm, bool suspending, bool others);
