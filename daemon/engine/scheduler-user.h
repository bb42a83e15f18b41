/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user of the machine in the order of service, for as long as it has clients, owes time, or has
 * used savings of the express lane that are not made up for. For scheduler.c alone.
 */
#pragma once

#include "engine/scheduler.h"

struct scheduler_user {
    struct list link;
    struct heap_node node;
    struct list express; /* among those with a command to run */
    struct heap ready;   /* its clients that have a command to run, by virtual time */
    struct heap cheap;   /* those of them whose cost is known, by cost */
    struct list scan;    /* among the users with clients to scan */
    struct list scanned; /* its clients to scan */
    uint64_t virtual_time;
    uint64_t clients_time; /* virtual time of the client that was served last */
    int64_t savings;       /* time of the express lane, as of */
    uint64_t fed_before;   /* so much time used outside of it; below 0 it owes */
    uint64_t sequence;
    unsigned clients;
    uint32_t uid;
    enum scheduler_priority priority;
};

/* The record of a user; `record` when it had none. */
struct scheduler_user *scheduler_user_get(struct scheduler *scheduler, uint32_t uid,
                                          enum scheduler_priority priority,
                                          struct scheduler_user *record);

/* Forgets a user of whom nothing need be known any more. */
void scheduler_user_forget(struct scheduler *scheduler, struct scheduler_user *user);

/* How far the virtual time of a user moves with `time` of the chip. */
uint64_t scheduler_user_weigh(const struct scheduler_user *user, uint64_t time);

/* The user's savings now. */
int64_t scheduler_user_savings(const struct scheduler *scheduler, struct scheduler_user *user);

/* Whether time `a` with sequence number `sequence_a` comes before the other one. */
static inline bool scheduler_user_earlier(uint64_t a, uint64_t sequence_a, uint64_t b,
                                          uint64_t sequence_b)
{
    return a != b ? a < b : sequence_a < sequence_b;
}

/* For the heap of users in the fair order. */
bool scheduler_user_before(const struct heap_node *a, const struct heap_node *b);
