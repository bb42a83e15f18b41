/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user's part in the order of service. Embedded in whatever a user is, and kept for as long as
 * the user has clients, owes time, or has used savings of the express lane that are not made up
 * for.
 */
#pragma once

#include "engine/scheduler.h"

struct scheduler_user {
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
    enum scheduler_priority priority;
};

/* A user that is new, or of whom nothing need be known. Any thread. */
void scheduler_user_init(struct scheduler_user *user);

/* Whether the user has no clients, owes nothing, and has all its savings: then it is as one that is
 * new. */
bool scheduler_user_rests(const struct scheduler *scheduler, struct scheduler_user *user);

/* Starts the account of a user that rests. For scheduler.c alone, as all below. */
void scheduler_user_begin(const struct scheduler *scheduler, struct scheduler_user *user,
                          enum scheduler_priority priority);

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
