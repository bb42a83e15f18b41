/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns of a scheduler, one after the other, for tests of who is next and where the times stand, to
 * the nanosecond. Helpers fail the running test.
 */
#pragma once

#include "engine/scheduler-user.h"

#define STEPS_MS UINT64_C(1000000)

/* A client, and what it would find in the chip. */
struct steps_client {
    struct scheduler_client turn;
    enum rm_affinity affinity;
};

extern struct scheduler steps_scheduler;
extern struct steps_client steps[12];

int steps_setup(void **state);
int steps_teardown(void **state);

/* Client number `index` is one of a user. */
void steps_add_as(unsigned index, uint32_t uid, enum scheduler_priority priority);
void steps_add(unsigned index, uint32_t uid);

/* It has a command that is expected to cost that. */
void steps_ask(unsigned index, uint64_t expected);

/* It is who is picked next, in that lane, and its command costs so much. */
void steps_expect(unsigned index, enum scheduler_lane lane, uint64_t cost);
void steps_expect_fair(unsigned index, uint64_t cost);
void steps_expect_express(unsigned index, uint64_t cost);
void steps_expect_affinity(unsigned index, uint64_t cost);

struct scheduler_user *steps_user(unsigned index);
