/* SPDX-License-Identifier: BSD-2-Clause */
/* What steps and checks of a program have in common. */
#pragma once

#include "crash-bytes.h"
#include "crash-world.h"

/* Whether what ends this hierarchy ends the keys of that one; TPM2_Clear ends two. */
bool crash_hits(uint32_t ends, uint32_t hierarchy);

/* Runs the step with all that may happen meanwhile; and the step's command alone. */
void crash_run_step(struct crash_world *world);
uint32_t crash_execute(struct crash_world *world);

/* Commits, and may die after that. */
void crash_commit(struct crash_world *world, const char *at);
