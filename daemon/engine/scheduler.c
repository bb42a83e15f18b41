/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scheduler.h"

#include <assert.h>
#include <stdlib.h>

/* How much chip time one that rested may use before the others have theirs. */
#define SCHEDULER_CREDIT UINT64_C(100000000)

/* Express is who costs at most one part in this many of the one whose turn it is. */
#define SCHEDULER_EXPRESS_RATIO 4

/* The most chip time that the express lane can save up. */
#define SCHEDULER_EXPRESS_SAVINGS INT64_C(1000000000)

/* What a command of a client is thought to cost of whose user nothing is known: neither little nor
 * much. */
#define SCHEDULER_UNKNOWN UINT64_C(20000000)

/* The most expected chip time by which those who are warm may lengthen the wait of the one whose
 * turn it is. */
#define SCHEDULER_PATIENCE UINT64_C(100000000)

/* A user of the machine, as long as it has clients or owes chip time. */
struct scheduler_user {
    struct list link;
    struct heap_node node;
    struct heap ready; /* its clients that have a command to run */
    uint64_t virtual_time;
    uint64_t clients_time; /* virtual time of the client that was served last */
    uint64_t mean;
    uint64_t sequence;
    unsigned clients;
    uint32_t uid;
    enum scheduler_priority priority;
};

/* What each priority weighs. */
static const uint64_t scheduler_weights[] = {
    [SCHEDULER_LOW] = 1,
    [SCHEDULER_NORMAL] = 4,
    [SCHEDULER_HIGH] = 16,
};

/* How far the virtual time of a user moves with `time` of the chip. */
static uint64_t scheduler_weigh(const struct scheduler_user *user, uint64_t time)
{
    return time * scheduler_weights[SCHEDULER_NORMAL] / scheduler_weights[user->priority];
}

static bool scheduler_earlier(uint64_t time_a, uint64_t sequence_a, uint64_t time_b,
                              uint64_t sequence_b)
{
    return time_a != time_b ? time_a < time_b : sequence_a < sequence_b;
}

static bool scheduler_user_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_user *ua = heap_entry(a, struct scheduler_user, node);
    const struct scheduler_user *ub = heap_entry(b, struct scheduler_user, node);

    return scheduler_earlier(ua->virtual_time, ua->sequence, ub->virtual_time, ub->sequence);
}

static bool scheduler_fair_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_client *ca = heap_entry(a, struct scheduler_client, fair);
    const struct scheduler_client *cb = heap_entry(b, struct scheduler_client, fair);

    return scheduler_earlier(ca->virtual_time, ca->sequence, cb->virtual_time, cb->sequence);
}

static bool scheduler_express_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_client *ca = heap_entry(a, struct scheduler_client, express);
    const struct scheduler_client *cb = heap_entry(b, struct scheduler_client, express);

    if (ca->cost_class != cb->cost_class)
        return ca->cost_class < cb->cost_class;
    return scheduler_earlier(ca->express_key, ca->sequence, cb->express_key, cb->sequence);
}

void scheduler_init(struct scheduler *scheduler, scheduler_warmth_fn *warmth)
{
    *scheduler = (struct scheduler){
        .warmth = warmth,
        .ready_users.before = scheduler_user_before,
        .express_budget = SCHEDULER_EXPRESS_SAVINGS,
    };
    for (unsigned i = 0; i < SCHEDULER_PRIORITIES; i++)
        scheduler->express[i].before = scheduler_express_before;
    list_init(&scheduler->users);
}

struct scheduler_user *scheduler_user_new(void)
{
    struct scheduler_user *user = calloc(1, sizeof(*user));

    if (user)
        list_init(&user->link);
    return user;
}

void scheduler_user_free(struct scheduler_user *user)
{
    if (!user)
        return;
    list_remove(&user->link);
    free(user);
}

/* Forgets a user that has no clients, owes nothing and is not served. */
static void scheduler_forget(struct scheduler *scheduler, struct scheduler_user *user)
{
    if (user->clients == 0 && user->virtual_time <= scheduler->virtual_time
        && scheduler->turn.user != user)
        scheduler_user_free(user);
}

static void scheduler_sweep(struct scheduler *scheduler)
{
    list_for_each (it, &scheduler->users)
        scheduler_forget(scheduler, list_entry(it, struct scheduler_user, link));
}

void scheduler_clear(struct scheduler *scheduler)
{
    list_for_each (it, &scheduler->users)
        scheduler_user_free(list_entry(it, struct scheduler_user, link));
}

/* The record of a user; `record` when it had none. */
static struct scheduler_user *scheduler_user_get(struct scheduler *scheduler, uint32_t uid,
                                                 enum scheduler_priority priority,
                                                 struct scheduler_user *record)
{
    list_for_each (it, &scheduler->users) {
        struct scheduler_user *user = list_entry(it, struct scheduler_user, link);

        if (user->uid != uid)
            continue;
        scheduler_user_free(record);
        return user;
    }
    scheduler_sweep(scheduler);
    record->uid = uid;
    record->priority = priority;
    record->ready.before = scheduler_fair_before;
    record->virtual_time = scheduler->virtual_time;
    list_insert_before(&scheduler->users, &record->link);
    return record;
}

void scheduler_add(struct scheduler *scheduler, struct scheduler_client *client, uint32_t uid,
                   enum scheduler_priority priority, struct scheduler_user *record)
{
    struct scheduler_user *user = scheduler_user_get(scheduler, uid, priority, record);

    /* Without a history it is thought to be like its user's other clients: who sends expensive
     * commands gains nothing by a new connection for each. */
    *client = (struct scheduler_client){
        .user = user,
        .virtual_time = user->clients_time,
        .mean = user->mean,
    };
    user->clients++;
}

void scheduler_remove(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (!user)
        return;
    scheduler_unready(scheduler, client);
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++) {
        if (scheduler->recent[i] == client)
            scheduler->recent[i] = NULL;
    }
    if (scheduler->turn.client == client)
        scheduler->turn.client = NULL;
    client->user = NULL;
    user->clients--;
    scheduler_forget(scheduler, user);
}

static uint64_t scheduler_not_behind(uint64_t time, uint64_t reference)
{
    uint64_t least = reference > SCHEDULER_CREDIT ? reference - SCHEDULER_CREDIT : 0;

    return time < least ? least : time;
}

/* What the client's next command will likely cost. */
static uint64_t scheduler_expected(const struct scheduler_client *client)
{
    return client->mean ? client->mean : SCHEDULER_UNKNOWN;
}

/* Class of cost: one for each doubling of the microseconds. */
static unsigned scheduler_cost_class(uint64_t nanoseconds)
{
    return 63 - (unsigned)__builtin_clzll(nanoseconds / 1000 + 1);
}

void scheduler_ready(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (heap_holds(&client->fair))
        return;
    client->sequence = ++scheduler->sequence;
    client->passed_before = scheduler->passed;
    scheduler->waiting++;
    client->virtual_time = scheduler_not_behind(client->virtual_time, user->clients_time);
    heap_insert(&user->ready, &client->fair);
    if (!heap_holds(&user->node)) {
        user->sequence = client->sequence;
        user->virtual_time = scheduler_not_behind(user->virtual_time, scheduler->virtual_time);
        heap_insert(&scheduler->ready_users, &user->node);
    }
    client->cost_class = scheduler_cost_class(scheduler_expected(client));
    client->express_key = user->virtual_time;
    heap_insert(&scheduler->express[user->priority], &client->express);
}

void scheduler_unready(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (!heap_holds(&client->fair))
        return;
    scheduler->waiting--;
    heap_remove(&user->ready, &client->fair);
    heap_remove(&scheduler->express[user->priority], &client->express);
    if (!user->ready.root)
        heap_remove(&scheduler->ready_users, &user->node);
}

/* Whether `client` may pass `turn`, the one whose turn it is, in the express lane. */
static bool scheduler_may_pass(const struct scheduler *scheduler,
                               const struct scheduler_client *client,
                               const struct scheduler_client *turn)
{
    return client != turn
           && scheduler_expected(client) <= scheduler_expected(turn) / SCHEDULER_EXPRESS_RATIO
           && scheduler->express_budget > (int64_t)scheduler_expected(client);
}

/* The client that passes the one whose turn it is, or NULL. */
static struct scheduler_client *scheduler_pick_express(const struct scheduler *scheduler,
                                                       const struct scheduler_client *turn)
{
    for (unsigned i = SCHEDULER_PRIORITIES; i-- > (unsigned)turn->user->priority;) {
        struct heap_node *root = scheduler->express[i].root;

        if (root
            && scheduler_may_pass(scheduler, heap_entry(root, struct scheduler_client, express),
                                  turn))
            return heap_entry(root, struct scheduler_client, express);
    }
    return NULL;
}

/*
 * Where the virtual times of one that passes `turn` end. Who takes the express lane is behind the
 * one that it passed in the fair order, so that it gets the lane's time and not its own share of
 * the rest too; but not by more than one command, for the lane's time is no debt.
 */
static void scheduler_limit(struct scheduler_turn *express, const struct scheduler_client *turn)
{
    bool same = express->user == turn->user;

    express->client_limit =
        (same ? turn->virtual_time : express->user->clients_time) + scheduler_expected(turn);
    express->user_limit =
        same ? UINT64_MAX
             : turn->user->virtual_time + scheduler_weigh(turn->user, scheduler_expected(turn));
}

/* Whether `client` may go before `turn` if it is warm: the wait of `turn` has not been lengthened
 * too much by such as it, and its lead over its share is small, the smaller the more clients wait.
 */
static bool scheduler_may_lead(const struct scheduler *scheduler,
                               const struct scheduler_client *client,
                               const struct scheduler_client *turn)
{
    const struct scheduler_user *user = client->user, *other = turn->user;
    uint64_t lead = SCHEDULER_PATIENCE / (scheduler->waiting + 1);

    if (client == turn || !heap_holds(&client->fair) || user->priority < other->priority
        || scheduler->passed - turn->passed_before + scheduler_expected(client)
               > SCHEDULER_PATIENCE)
        return false;
    if (user == other)
        return client->virtual_time <= turn->virtual_time + scheduler_expected(turn) + lead;
    return user->virtual_time
           <= other->virtual_time + scheduler_weigh(other, scheduler_expected(turn)) + lead;
}

/* The client that goes first because it is warm and the one whose turn it is is cold, or NULL. */
static struct scheduler_client *scheduler_pick_warm(const struct scheduler *scheduler,
                                                    const struct scheduler_client *turn)
{
    struct scheduler_client *best = NULL;

    if (scheduler->warmth(turn) != RM_WARMTH_COLD)
        return NULL;
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++) {
        struct scheduler_client *client = scheduler->recent[i];

        if (client && scheduler_may_lead(scheduler, client, turn)
            && (!best || client->virtual_time < best->virtual_time)
            && scheduler->warmth(client) == RM_WARMTH_WARM)
            best = client;
    }
    return best;
}

/* Puts the client in front of those that were served last. */
static void scheduler_note(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_client *moved = client;

    for (unsigned i = 0; i < SCHEDULER_RECENT && moved; i++) {
        struct scheduler_client *next = scheduler->recent[i];

        scheduler->recent[i] = moved;
        moved = next == client ? NULL : next;
    }
}

/* The turn goes out of the fair order to the first client there. */
static void scheduler_advance(struct scheduler *scheduler, const struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (scheduler->virtual_time < user->virtual_time)
        scheduler->virtual_time = user->virtual_time;
    if (user->clients_time < client->virtual_time)
        user->clients_time = client->virtual_time;
}

struct scheduler_client *scheduler_pick(struct scheduler *scheduler)
{
    struct scheduler_turn *turn = &scheduler->turn;
    struct scheduler_client *first, *express, *warm;

    assert(!turn->user);
    if (!scheduler->ready_users.root)
        return NULL;
    first =
        heap_entry(heap_entry(scheduler->ready_users.root, struct scheduler_user, node)->ready.root,
                   struct scheduler_client, fair);
    express = scheduler_pick_express(scheduler, first);
    warm = express ? NULL : scheduler_pick_warm(scheduler, first);
    turn->client = express ? express : warm ? warm : first;
    turn->user = turn->client->user;
    turn->lane = express ? SCHEDULER_EXPRESS : warm ? SCHEDULER_WARM : SCHEDULER_FAIR;
    if (express)
        scheduler_limit(turn, first);
    else if (!warm)
        scheduler_advance(scheduler, first);
    scheduler_unready(scheduler, turn->client);
    scheduler_note(scheduler, turn->client);
    return turn->client;
}

static uint64_t scheduler_mean(uint64_t mean, uint64_t cost)
{
    return mean == 0 ? cost : mean - mean / 4 + cost / 4;
}

/* The lanes' parts of a charge. */
static void scheduler_charge_lane(struct scheduler *scheduler, enum scheduler_lane lane,
                                  uint64_t cost)
{
    if (lane == SCHEDULER_WARM)
        scheduler->passed += cost;
    if (lane == SCHEDULER_EXPRESS)
        scheduler->express_budget -= (int64_t)cost;
    else if (scheduler->express_budget < SCHEDULER_EXPRESS_SAVINGS - (int64_t)cost)
        scheduler->express_budget += (int64_t)cost;
    else
        scheduler->express_budget = SCHEDULER_EXPRESS_SAVINGS;
}

static uint64_t scheduler_limited(const struct scheduler_turn *turn, uint64_t time, uint64_t limit)
{
    return turn->lane == SCHEDULER_EXPRESS && time > limit ? limit : time;
}

void scheduler_charge(struct scheduler *scheduler, uint64_t cost)
{
    struct scheduler_turn turn = scheduler->turn;
    struct scheduler_client *client = turn.client;
    struct scheduler_user *user = turn.user;
    bool user_waits;

    assert(user);
    scheduler->turn = (struct scheduler_turn){0};
    if (cost > INT64_MAX / 8)
        cost = INT64_MAX / 8;
    scheduler_charge_lane(scheduler, turn.lane, cost);
    user_waits = heap_holds(&user->node);
    heap_remove(&scheduler->ready_users, &user->node);
    user->virtual_time =
        scheduler_limited(&turn, user->virtual_time, turn.user_limit) + scheduler_weigh(user, cost);
    user->mean = scheduler_mean(user->mean, cost);
    if (client) {
        client->virtual_time =
            scheduler_limited(&turn, client->virtual_time, turn.client_limit) + cost;
        client->mean = scheduler_mean(client->mean, cost);
    }
    if (user_waits)
        heap_insert(&scheduler->ready_users, &user->node);
    scheduler_forget(scheduler, user);
}
