/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients of a scheduler on made-up times: each has commands of one cost, and asks again as soon as
 * it was served, or before. Some need a key of their own in one of the chip's few slots.
 */
#pragma once

#include "engine/scheduler-user.h"

#define MS           UINT64_C(1000000)
#define MORE_USERS   16 /* than loads there may be, one after the other */
#define SLOTS        3
#define BENCH_NOBODY 1000      /* in `again` */
#define SWAP         (29 * MS) /* a key into the chip, and another one out of it */

struct load {
    struct scheduler_client turn;
    uint64_t cost, used;
    uint64_t mean;           /* what its commands cost, recent ones counting more */
    bool pipelined;          /* its next command is there before the next turn is given */
    bool keyed;              /* its commands need a key in one of the chip's slots */
    uint64_t since, longest; /* when it began to wait; the longest wait */
    unsigned served, swapped;
};

struct bench_user {
    uint32_t uid;
    struct scheduler_user share;
};

struct bench {
    struct scheduler scheduler;
    struct load *loads;
    struct bench_user *users;
    unsigned count, again; /* who asks anew once the next command runs */
    unsigned user_count;
    uint64_t now;
    unsigned slot_count;             /* at most SLOTS, which it is at first */
    uint64_t swap;                   /* SWAP at first */
    const struct load *slots[SLOTS]; /* whose keys are in the chip, the last one used first */
};

void bench_init(struct bench *bench, unsigned count);
void bench_clear(struct bench *bench);

/* Load number `index` gets a user and something to run. */
void bench_add(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost);
void bench_add_as(struct bench *bench, unsigned index, uint32_t uid, uint64_t cost,
                  enum scheduler_priority priority);

/* Who is served next. What each one's command will cost is known where several wait. */
struct scheduler_client *bench_pick(struct bench *bench);

/* Serves one command; who was served before asks anew meanwhile. The one served. */
unsigned bench_step(struct bench *bench);

/* Fails the test unless the value is within so many percent of what is expected. */
void bench_expect_near(uint64_t value, uint64_t expected, unsigned percent);
