/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user as the engine serves it: an account (base/account.h). There is one object for each, which
 * is found by its number when a connection is admitted, and which each client has at hand. All that
 * is kept of a user stands in it: its connections, its part in the order of service, and its
 * holdings in the resource manager. What holds for one connection, such as a limit, is the
 * client's.
 *
 * A user is known from its first connection on, for as long as it has a connection, owes time to
 * others, or holds something in the resource manager.
 */
#pragma once

#include "base/list.h"
#include "engine/rules.h"
#include "engine/scheduler-user.h"
#include "engine/statistics.h"
#include "rm/rm.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct user {
    struct list link; /* users->all */
    uint32_t account;

    /* Under the users' lock. */
    unsigned connections; /* that are admitted (admission.h) */
    bool served;          /* a client of it was opened: only the engine thread frees it */

    /* Engine thread. */
    struct scheduler_user share;
    struct rm_user *holdings; /* one reference; NULL before its first command, and without a TPM */
    struct statistics_tally tally;
    struct user_rules rules; /* of the connection that got its rules last, for people to see */
};

/* All users. */
struct users {
    pthread_mutex_t lock;
    struct list all;
};

/* 0, or a negative errno: then nothing is to be cleared. */
int users_init(struct users *users);

/* Frees all users; no user has a connection. */
void users_clear(struct users *users);

/* The user of an account; NULL when it is not known. Any thread, under the lock. */
struct user *users_find(const struct users *users, uint32_t account);

/* A new one without connections; NULL without memory. Any thread, under the lock. */
struct user *users_add(struct users *users, uint32_t account);

/* Frees a user without connections that was never served; no effect on another. Any thread, under
 * the lock. */
void users_drop(struct user *user);

/* A client of the user is about to be opened. Frees other users that need not be known any more
 * when this one is new to the engine. Takes the lock. Engine thread, as all below. */
void users_serve(struct users *users, struct user *user, struct scheduler *scheduler);

/* A client of the user was freed: frees the user if it need not be known any more. Takes the
 * lock. */
void users_forget(struct users *users, struct user *user, struct scheduler *scheduler);

/* Charges a user, who may have no connection, with so many nanoseconds. Takes the lock. Without
 * memory nobody is charged. */
void users_charge(struct users *users, uint32_t account, struct scheduler *scheduler,
                  uint64_t cost);

/* Gives up the holdings of all users, before the resource manager is freed. Takes the lock. */
void users_leave_manager(struct users *users);

/* The user's holdings in the manager are counted from now on, if they were not. False without
 * memory. */
bool user_meet_manager(struct user *user, struct rm *rm);

/* The manager's side of a connection of the user, for `uid` who made it; NULL without memory. */
struct rm_client *user_connect_manager(struct user *user, struct rm *rm, uint32_t uid);
