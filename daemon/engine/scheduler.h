/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose command the chip runs next. Chip time is shared evenly by users, and by the clients of a
 * user among themselves: start-time fair queueing. Each user and each client has a virtual time
 * that moves with the time used. The least virtual time goes first, and a user or client that
 * rested lags behind the others by a bounded credit only. The client that is first in this fair
 * order is the head.
 *
 * Even shares alone would let a client with cheap commands wait for one expensive command of each
 * other client. So there is an express lane: a command that is expected to cost a fraction of the
 * head's passes the head. The lane may use as much time as was used outside of it: each user has
 * savings of such time, which grow with the time used outside. The head waits for the lane no
 * longer than its own command is expected to take, nor longer than a bound.
 *
 * When the head's command would evict something, a client whose own keys are still in the chip may
 * pass the head, so that its keys need not be loaded again: the affinity lane. Such a client gets
 * ahead of its share by a bounded time only, and the time that it adds to the wait of the head is
 * bounded too. Other clients behind the head may wait somewhat longer; a client that passed waits
 * its share out.
 *
 * Users have a priority, which is a weight: the virtual time of a user with four times the weight
 * moves a quarter as fast. No client is passed by a client of a lower priority.
 *
 * The caller says what a command will cost (scheduler_rate()), and is asked only where commands of
 * several clients wait. The scheduler also has the order in which clients' input is scanned for
 * control frames, users in turn.
 *
 * Pure: times are what the caller says, in nanoseconds. Nothing is allocated. One thread.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "rm/rm.h"

#include <stdint.h>

/* How much time a user, or a client, that rested may use before the others have theirs. */
#define SCHEDULER_CREDIT UINT64_C(100000000)

/* A command is express if it is expected to cost at most one part in this many of the head's. */
#define SCHEDULER_EXPRESS_RATIO 4

/* The most time by which the express lane lengthens the wait of a client that is the head. */
#define SCHEDULER_EXPRESS_BOUND UINT64_C(100000000)

/* The most time of the express lane that one user can save up. */
#define SCHEDULER_EXPRESS_SAVINGS INT64_C(100000000)

/*
 * The most time by which the affinity lane lengthens the wait of the head. A switch from one
 * client's things to another's costs the chip two to four context commands, about 30 to 100 ms on
 * a discrete chip; the more commands fit into the bound, the fewer switches there are, and the
 * longer is the wait.
 */
#define SCHEDULER_AFFINITY_BOUND UINT64_C(100000000)

/* How far the affinity lane takes a client, or its user, ahead of its share when no other client
 * waits; with N that wait it is one part in N + 1. */
#define SCHEDULER_AFFINITY_LEAD UINT64_C(100000000)

/* How many clients the affinity lane considers: those that were served last. */
#define SCHEDULER_RECENT 8

struct scheduler_user;
struct scheduler_client;

/* What the client's next command will likely find in the chip. */
typedef enum rm_affinity scheduler_affinity_fn(const struct scheduler_client *client);

enum scheduler_lane {
    SCHEDULER_FAIR,
    SCHEDULER_EXPRESS,
    SCHEDULER_AFFINITY,
};

enum scheduler_priority {
    SCHEDULER_LOW,
    SCHEDULER_NORMAL,
    SCHEDULER_HIGH,
};

#define SCHEDULER_PRIORITIES (SCHEDULER_HIGH + 1)

struct scheduler_fair {
    struct heap users;     /* that have a command to run, by virtual time */
    uint64_t virtual_time; /* of the user that was served last out of the fair order */
};

struct scheduler_express {
    struct list users; /* that have a command to run */
    uint64_t fed;      /* time used outside of the lane so far */
};

struct scheduler_affinity {
    struct scheduler_client *recent[SCHEDULER_RECENT]; /* the last one served first */
    scheduler_affinity_fn *affinity_of;
    uint64_t used; /* time used in the lane so far */
};

/* The turn that was given last, until it is charged. Its user outlives its client. */
struct scheduler_turn {
    enum scheduler_lane lane;
    struct scheduler_user *user;     /* NULL: no turn is open */
    struct scheduler_client *client; /* NULL once it was removed */
    struct scheduler_client *passed; /* the head that the express lane passed; likewise */
    uint64_t client_limit, user_limit;
};

struct scheduler {
    struct scheduler_fair fair;
    struct scheduler_express express;
    struct scheduler_affinity affinity;
    struct scheduler_turn turn;
    struct list unrated; /* clients with a command of unknown cost */
    struct list scan;    /* users with clients whose input is to be scanned */
    uint64_t sequence;   /* makes equals first come, first served */
    unsigned waiting;    /* clients that have a command to run */
};

/* A client's part; embedded in whatever the client is. */
struct scheduler_client {
    struct scheduler_user *user;
    struct heap_node fair, cheap;
    struct list unrated, scan;
    uint64_t virtual_time;
    uint64_t sequence;
    uint64_t expected; /* cost of the command that waits; 0: not known */
    unsigned cost_class;
    uint64_t delayed;         /* by the express lane, since it began to wait */
    uint64_t affinity_before; /* time used in the affinity lane when it began to wait */
};

void scheduler_init(struct scheduler *scheduler, scheduler_affinity_fn *affinity_of);

/* Adds a client of a user (scheduler-user.h), which outlives it; the client has nothing to run. The
 * priority is that of a user that rested; one that is known keeps its own. */
void scheduler_add(struct scheduler *scheduler, struct scheduler_client *client,
                   struct scheduler_user *user, enum scheduler_priority priority);

/* Gives the client's user another priority, from its next turn on. */
void scheduler_set_priority(struct scheduler_client *client, enum scheduler_priority priority);

/* Takes a client out, in whatever state; harmless for one that was not added. */
void scheduler_remove(struct scheduler *scheduler, struct scheduler_client *client);

/* The client has a command to run. No effect when that was known. */
void scheduler_ready(struct scheduler *scheduler, struct scheduler_client *client);

/* The client has no command to run any more. */
void scheduler_unready(struct scheduler *scheduler, struct scheduler_client *client);

/* True when some client has a command to run. */
static inline bool scheduler_waiting(const struct scheduler *scheduler)
{
    return scheduler->waiting > 0;
}

/* A client whose command's cost should be known before the next turn is given, or NULL: there is
 * none where no other client waits. */
struct scheduler_client *scheduler_unrated(const struct scheduler *scheduler);

/* The command of that client is expected to cost so many nanoseconds. */
void scheduler_rate(struct scheduler *scheduler, struct scheduler_client *client,
                    uint64_t expected);

/*
 * The client whose turn it is, no longer marked as ready; NULL when there is none. Each turn ends
 * with scheduler_charge() before the next one is given, also when the client had no command after
 * all, and when it was removed meanwhile.
 */
struct scheduler_client *scheduler_pick(struct scheduler *scheduler);

/* The turn that was given last took `cost` nanoseconds. They are charged to the user, whether or
 * not the client is still there. */
void scheduler_charge(struct scheduler *scheduler, uint64_t cost);

/* What was done for the client outside of a turn took `cost` nanoseconds. */
void scheduler_bill(struct scheduler *scheduler, struct scheduler_client *client, uint64_t cost);

/* The same for a user, which may have no clients. */
void scheduler_bill_user(struct scheduler *scheduler, struct scheduler_user *user, uint64_t cost);

/* The client's input is to be scanned. No effect when that was known. */
void scheduler_scan(struct scheduler *scheduler, struct scheduler_client *client);

/* The next client whose input is to be scanned, which is not marked so any more; NULL when there is
 * none. Users take turns, and so do the clients of a user. */
struct scheduler_client *scheduler_scan_next(struct scheduler *scheduler);

/* The client's input needs no scan any more. */
void scheduler_scanned(struct scheduler_client *client);

/* True when some client's input is to be scanned. */
bool scheduler_scans(const struct scheduler *scheduler);
