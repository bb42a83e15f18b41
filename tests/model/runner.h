/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs in processes of their own: libtpms is one TPM per process, and a program that diverges
 * or crashes must not take the others with it.
 */
#pragma once

#include "program.h"

#include <stdio.h>

/* Makes the chip that each program starts with a copy of. Call it once. */
void runner_init(void);

struct outcome {
    bool passed;
    int status;      /* as of waitpid() */
    unsigned reason; /* a number that failures of one kind have in common */
};

/* Runs one program in a process of its own; what it says goes to `output`, or nowhere (-1). */
struct outcome runner_run(const struct program *program, int output);

/* Leaves out steps for as long as the program still fails. `steps` holds *count numbers, and what
 * is left in the end. */
void runner_shrink(const struct program *program, unsigned *steps, unsigned *count);
