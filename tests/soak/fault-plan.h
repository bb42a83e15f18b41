/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The faults of a soak, chosen by a seed: period by period one script for the counting TCTI
 * (support/faults.h). Some periods are quiet; in the others the chip is busy, or full, or slow, or
 * the transport to it breaks. None of these loses anything, so that each client can tell what its
 * commands must give. On request there are answers that get lost or spoilt as well.
 */
#pragma once

#include "world.h"

#define FAULT_PLAN_RULES 6

struct fault_plan {
    uint64_t chance; /* state of the generator; not 0 */
    bool lossy;
    struct fault_plan_rule {
        uint32_t code, nth, times;
    } rules[FAULT_PLAN_RULES];
    unsigned rule_count;
    struct counts before; /* at the start of the period */
    uint64_t injected;    /* faults so far, broken transports not among them */
};

/* Ends the period and starts the next one; with `quiet` one without faults. False when the script
 * cannot be written. */
bool fault_plan_next(struct fault_plan *plan, const struct world *world, bool quiet);

/* A number below `limit` from the plan's seed. */
uint32_t fault_plan_chance(struct fault_plan *plan, uint32_t limit);
