/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose command the chip runs next. Chip time is shared evenly by users, and by the clients of a
 * user among themselves: start-time fair queueing. Everybody has a virtual time that moves with
 * the chip time used; the least goes first, and who comes back from a rest may lag behind the
 * others by a bounded credit only.
 *
 * Even shares alone would let a client with cheap commands wait for one expensive command of each
 * of the others. So there is an express lane: a client whose commands cost a fraction of what the
 * one whose turn it is needs goes first. The lane may take as much chip time as was used outside
 * of it and no more, so nobody starves.
 *
 * And when the one whose turn it is would push something out of the chip, one whose own things are
 * still there may go first, so that they need not be brought back. Such a one gets ahead of its
 * share by a bounded time only, and what it adds to the wait of the one whose turn it is is bounded
 * too. Others behind that one may wait somewhat longer; and who went ahead waits its share out.
 *
 * Users have a priority, which is a weight: the virtual time of a user with four times the weight
 * moves a quarter as fast. And nobody is passed by a lower priority.
 *
 * Pure: times are what the caller says, in nanoseconds. Nothing is allocated but a record for each
 * user, by scheduler_user_new(). One thread.
 */
#pragma once

#include "base/list.h"
#include "engine/heap.h"
#include "rm/rm.h"

#include <stdint.h>

#define SCHEDULER_RECENT 8

struct scheduler_user;
struct scheduler_client;

/* What the client's next command will likely find in the chip. */
typedef enum rm_warmth scheduler_warmth_fn(const struct scheduler_client *client);

enum scheduler_lane {
    SCHEDULER_FAIR,
    SCHEDULER_EXPRESS,
    SCHEDULER_WARM,
};

enum scheduler_priority {
    SCHEDULER_LOW,
    SCHEDULER_NORMAL,
    SCHEDULER_HIGH,
};

#define SCHEDULER_PRIORITIES (SCHEDULER_HIGH + 1)

/* The turn that was given last, until it is charged. Its user outlives its client. */
struct scheduler_turn {
    struct scheduler_user *user;     /* NULL: no turn is open */
    struct scheduler_client *client; /* NULL once it was removed */
    enum scheduler_lane lane;
    uint64_t client_limit, user_limit; /* of virtual times, in the express lane */
};

struct scheduler {
    struct list users;
    struct heap ready_users;
    struct heap express[SCHEDULER_PRIORITIES]; /* all ready clients, by expected cost */
    uint64_t virtual_time;  /* of the user that was served last out of the fair order */
    uint64_t sequence;      /* makes equals first come, first served */
    int64_t express_budget; /* chip time that the express lane may use */
    scheduler_warmth_fn *warmth;
    struct scheduler_turn turn;
    unsigned waiting; /* clients that have a command to run */
    uint64_t passed;  /* chip time used so far by clients that were served for being warm */
    struct scheduler_client *recent[SCHEDULER_RECENT]; /* served last; the others are cold */
};

/* A client's part; embedded in whatever the client is. */
struct scheduler_client {
    struct scheduler_user *user;
    struct heap_node fair, express;
    uint64_t virtual_time;
    uint64_t mean; /* what its commands cost, recent ones counting more */
    uint64_t sequence;
    uint64_t express_key; /* order within one class of cost */
    unsigned cost_class;
    uint64_t passed_before; /* scheduler->passed when it began to wait */
};

void scheduler_init(struct scheduler *scheduler, scheduler_warmth_fn *warmth);

/* Frees the users' records; all clients must have been removed. */
void scheduler_clear(struct scheduler *scheduler);

/* A record for a user that may be new; NULL without memory. Any thread. */
struct scheduler_user *scheduler_user_new(void);

/* Frees a record that scheduler_add() did not get. NULL is fine. */
void scheduler_user_free(struct scheduler_user *user);

/* Adds a client of a user; it has nothing to run. Takes `record` over. The priority is that of the
 * user's first client. */
void scheduler_add(struct scheduler *scheduler, struct scheduler_client *client, uint32_t uid,
                   enum scheduler_priority priority, struct scheduler_user *record);

/* Takes a client out, in whatever state; harmless for one that was not added. */
void scheduler_remove(struct scheduler *scheduler, struct scheduler_client *client);

/* The client has a command to run. No effect when that was known. Not for the one that runs. */
void scheduler_ready(struct scheduler *scheduler, struct scheduler_client *client);

/* The client has no command to run any more. */
void scheduler_unready(struct scheduler *scheduler, struct scheduler_client *client);

/* True when some client has a command to run. */
static inline bool scheduler_waiting(const struct scheduler *scheduler)
{
    return scheduler->ready_users.root != NULL;
}

/*
 * The client whose turn it is, no longer marked as ready; NULL when there is none. Each turn ends
 * with scheduler_charge() before the next one is given, also when the client had no command after
 * all, and when it was removed meanwhile.
 */
struct scheduler_client *scheduler_pick(struct scheduler *scheduler);

/* The turn that was given last took `cost` nanoseconds. They are the user's, whether or not its
 * client is still there. */
void scheduler_charge(struct scheduler *scheduler, uint64_t cost);
