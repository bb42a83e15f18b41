/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program: a number, from which all its chances follow, and the steps of it that are run. The
 * setting (how many clients, slots, limits, faults) follows from the number, too.
 */
#pragma once

#include "model.h"

struct program {
    uint64_t number;
    const unsigned *steps; /* in ascending order */
    unsigned step_count;
    enum chip_watch_fault sabotage; /* what the chip does now and then: the model must notice */
    bool trace;
    unsigned *reason; /* where model_fail() leaves what kind of failure it is; or NULL */
};

/* Runs the program in this process, which it ends by model_fail() on a divergence. The chip must
 * be started and empty; facts are what chip_read() said of it. */
void program_run(const struct program *program, struct libtpms_chip *chip,
                 const struct chip *facts);
