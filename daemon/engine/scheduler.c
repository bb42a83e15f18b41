/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scheduler.h"

#include "engine/scheduler-user.h"

#include <assert.h>

/* More than any turn costs, and far from the end of the numbers. */
#define SCHEDULER_COST_MAX ((uint64_t)INT64_MAX / 64)

void scheduler_init(struct scheduler *scheduler, scheduler_affinity_fn *affinity_of)
{
    *scheduler = (struct scheduler){
        .fair.users.before = scheduler_user_before,
        .affinity.affinity_of = affinity_of,
    };
    list_init(&scheduler->express.users);
    list_init(&scheduler->unrated);
    list_init(&scheduler->scan);
}

void scheduler_add(struct scheduler *scheduler, struct scheduler_client *client,
                   struct scheduler_user *user, enum scheduler_priority priority)
{
    if (scheduler_user_rests(scheduler, user))
        scheduler_user_begin(scheduler, user, priority);
    *client = (struct scheduler_client){.user = user, .virtual_time = user->clients_time};
    list_init(&client->unrated);
    list_init(&client->scan);
    user->clients++;
}

void scheduler_set_priority(struct scheduler_client *client, enum scheduler_priority priority)
{
    client->user->priority = priority;
}

void scheduler_remove(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;
    struct scheduler_turn *turn = &scheduler->turn;

    if (!user)
        return;
    scheduler_unready(scheduler, client);
    scheduler_scanned(client);
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++) {
        if (scheduler->affinity.recent[i] == client)
            scheduler->affinity.recent[i] = NULL;
    }
    if (turn->client == client)
        turn->client = NULL;
    if (turn->passed == client)
        turn->passed = NULL;
    client->user = NULL;
    user->clients--;
}

static uint64_t scheduler_not_behind(uint64_t time, uint64_t reference)
{
    uint64_t least = reference > SCHEDULER_CREDIT ? reference - SCHEDULER_CREDIT : 0;

    return time < least ? least : time;
}

void scheduler_ready(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (heap_holds(&client->fair))
        return;
    client->sequence = ++scheduler->sequence;
    client->expected = client->delayed = 0;
    client->affinity_before = scheduler->affinity.used;
    client->virtual_time = scheduler_not_behind(client->virtual_time, user->clients_time);
    scheduler->waiting++;
    heap_insert(&user->ready, &client->fair);
    list_insert_before(&scheduler->unrated, &client->unrated);
    if (heap_holds(&user->node))
        return;
    user->sequence = client->sequence;
    user->virtual_time = scheduler_not_behind(user->virtual_time, scheduler->fair.virtual_time);
    heap_insert(&scheduler->fair.users, &user->node);
    list_insert_before(&scheduler->express.users, &user->express);
}

void scheduler_unready(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (!heap_holds(&client->fair))
        return;
    scheduler->waiting--;
    heap_remove(&user->ready, &client->fair);
    heap_remove(&user->cheap, &client->cheap);
    list_remove(&client->unrated);
    if (user->ready.root)
        return;
    heap_remove(&scheduler->fair.users, &user->node);
    list_remove(&user->express);
}

struct scheduler_client *scheduler_unrated(const struct scheduler *scheduler)
{
    if (scheduler->waiting < 2 || list_empty(&scheduler->unrated))
        return NULL;
    return list_entry(scheduler->unrated.next, struct scheduler_client, unrated);
}

/* Class of cost: one for each doubling of the microseconds. */
static unsigned scheduler_cost_class(uint64_t nanoseconds)
{
    return 63 - (unsigned)__builtin_clzll(nanoseconds / 1000 + 1);
}

void scheduler_rate(struct scheduler *scheduler, struct scheduler_client *client, uint64_t expected)
{
    (void)scheduler;
    if (list_empty(&client->unrated))
        return;
    list_remove(&client->unrated);
    client->expected = expected < SCHEDULER_COST_MAX ? expected : SCHEDULER_COST_MAX;
    client->cost_class = scheduler_cost_class(client->expected);
    heap_insert(&client->user->cheap, &client->cheap);
}

/* The client that is first in the fair order. */
static struct scheduler_client *scheduler_head(const struct scheduler_fair *lane)
{
    struct scheduler_user *user = heap_entry(lane->users.root, struct scheduler_user, node);

    return heap_entry(user->ready.root, struct scheduler_client, fair);
}

/* How much longer the express lane may hold up the head. */
static uint64_t scheduler_express_room(const struct scheduler_client *head)
{
    uint64_t bound =
        head->expected < SCHEDULER_EXPRESS_BOUND ? head->expected : SCHEDULER_EXPRESS_BOUND;

    return bound > head->delayed ? bound - head->delayed : 0;
}

/* Whether client `a`, whose user has `savings_a`, comes before client `b` in the express lane: the
 * user that used the lane less goes first. */
static bool scheduler_express_before(const struct scheduler_client *a, int64_t savings_a,
                                     const struct scheduler_client *b, int64_t savings_b)
{
    if (a->user->priority != b->user->priority)
        return a->user->priority > b->user->priority;
    return savings_a != savings_b ? savings_a > savings_b : a->sequence < b->sequence;
}

/* The express lane: the client that passes `head` because its command is cheap, or NULL. */
static struct scheduler_client *scheduler_pick_express(const struct scheduler *scheduler,
                                                       const struct scheduler_client *head)
{
    uint64_t room = scheduler_express_room(head), most = head->expected / SCHEDULER_EXPRESS_RATIO;
    struct scheduler_client *best = NULL;
    int64_t most_savings = 0;

    if (most == 0 || room == 0)
        return NULL;
    list_for_each (it, &scheduler->express.users) {
        struct scheduler_user *user = list_entry(it, struct scheduler_user, express);
        struct scheduler_client *client;
        int64_t savings;

        if (!user->cheap.root || user->priority < head->user->priority)
            continue;
        client = heap_entry(user->cheap.root, struct scheduler_client, cheap);
        savings = scheduler_user_savings(scheduler, user);
        if (client == head || client->expected > most || client->expected > room
            || savings < (int64_t)client->expected)
            continue;
        if (!best || scheduler_express_before(client, savings, best, most_savings)) {
            best = client;
            most_savings = savings;
        }
    }
    return best;
}

/* Whether `client` may pass `head` in the affinity lane: the wait of `head` has not been lengthened
 * too much by the lane, and the client's lead over its share is small, the smaller the more clients
 * wait. */
static bool scheduler_may_lead(const struct scheduler *scheduler,
                               const struct scheduler_client *client,
                               const struct scheduler_client *head)
{
    const struct scheduler_user *user = client->user, *other = head->user;
    uint64_t lead = SCHEDULER_AFFINITY_LEAD / (scheduler->waiting + 1);
    uint64_t added = scheduler->affinity.used - head->affinity_before;

    if (client == head || !heap_holds(&client->fair) || user->priority < other->priority
        || added + client->expected > SCHEDULER_AFFINITY_BOUND)
        return false;
    if (user == other)
        return client->virtual_time <= head->virtual_time + head->expected + lead;
    return user->virtual_time
           <= other->virtual_time + scheduler_user_weigh(other, head->expected) + lead;
}

/* The affinity lane: the client that passes `head` because what it needs is in the chip and what
 * `head` needs is not, or NULL. */
static struct scheduler_client *scheduler_pick_affinity(const struct scheduler *scheduler,
                                                        const struct scheduler_client *head)
{
    const struct scheduler_affinity *lane = &scheduler->affinity;
    struct scheduler_client *best = NULL;

    if (lane->affinity_of(head) != RM_AFFINITY_WOULD_EVICT)
        return NULL;
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++) {
        struct scheduler_client *client = lane->recent[i];

        if (client && scheduler_may_lead(scheduler, client, head)
            && (!best || client->virtual_time < best->virtual_time)
            && lane->affinity_of(client) == RM_AFFINITY_RESIDENT)
            best = client;
    }
    return best;
}

/* Puts the client in front of those that were served last. */
static void scheduler_note(struct scheduler_affinity *lane, struct scheduler_client *client)
{
    struct scheduler_client *moved = client;

    for (unsigned i = 0; i < SCHEDULER_RECENT && moved; i++) {
        struct scheduler_client *next = lane->recent[i];

        lane->recent[i] = moved;
        moved = next == client ? NULL : next;
    }
}

/*
 * The turn goes to a client that passes `head` in the express lane. The time of the lane is a gift
 * beside the client's share. But a virtual time that lies behind the head's moves by that time,
 * until it is one command of the head's ahead: else the client would get its share before the head
 * as well.
 */
static void scheduler_begin_express(struct scheduler_turn *turn, struct scheduler_client *client,
                                    struct scheduler_client *head)
{
    bool same = client->user == head->user;

    *turn = (struct scheduler_turn){
        .lane = SCHEDULER_EXPRESS,
        .user = client->user,
        .client = client,
        .passed = head,
        .client_limit = (same ? head->virtual_time : client->user->clients_time) + head->expected,
        .user_limit =
            same ? UINT64_MAX
                 : head->user->virtual_time + scheduler_user_weigh(head->user, head->expected),
    };
}

/* The turn goes to a client in the affinity lane, or in the fair order, whose time it moves. */
static void scheduler_begin(struct scheduler *scheduler, struct scheduler_client *client,
                            enum scheduler_lane lane)
{
    struct scheduler_user *user = client->user;

    scheduler->turn = (struct scheduler_turn){
        .lane = lane,
        .user = user,
        .client = client,
        .client_limit = UINT64_MAX,
        .user_limit = UINT64_MAX,
    };
    if (lane != SCHEDULER_FAIR)
        return;
    if (scheduler->fair.virtual_time < user->virtual_time)
        scheduler->fair.virtual_time = user->virtual_time;
    if (user->clients_time < client->virtual_time)
        user->clients_time = client->virtual_time;
}

struct scheduler_client *scheduler_pick(struct scheduler *scheduler)
{
    struct scheduler_client *head, *client;

    assert(!scheduler->turn.user);
    if (!scheduler_waiting(scheduler))
        return NULL;
    head = scheduler_head(&scheduler->fair);
    client = scheduler_pick_express(scheduler, head);
    if (client) {
        scheduler_begin_express(&scheduler->turn, client, head);
    } else {
        client = scheduler_pick_affinity(scheduler, head);
        scheduler_begin(scheduler, client ? client : head,
                        client ? SCHEDULER_AFFINITY : SCHEDULER_FAIR);
        client = client ? client : head;
    }
    scheduler_unready(scheduler, client);
    scheduler_note(&scheduler->affinity, client);
    return client;
}

/* A virtual time moves by `cost`, but not beyond the limit. */
static uint64_t scheduler_moved(uint64_t time, uint64_t cost, uint64_t limit)
{
    if (time >= limit)
        return time;
    return limit - time < cost ? limit : time + cost;
}

/* Sets the virtual times of a user and of a client of it, NULL for none, wherever they stand. */
static void scheduler_move(struct scheduler *scheduler, struct scheduler_user *user,
                           uint64_t user_time, struct scheduler_client *client,
                           uint64_t client_time)
{
    bool user_waits = heap_holds(&user->node);

    heap_remove(&scheduler->fair.users, &user->node);
    user->virtual_time = user_time;
    if (client) {
        bool waits = heap_holds(&client->fair), rated = heap_holds(&client->cheap);

        heap_remove(&user->ready, &client->fair);
        heap_remove(&user->cheap, &client->cheap);
        client->virtual_time = client_time;
        if (waits)
            heap_insert(&user->ready, &client->fair);
        if (rated)
            heap_insert(&user->cheap, &client->cheap);
    }
    if (user_waits)
        heap_insert(&scheduler->fair.users, &user->node);
}

/* What a turn costs its lane. */
static void scheduler_charge_lane(struct scheduler *scheduler, const struct scheduler_turn *turn,
                                  uint64_t cost)
{
    switch (turn->lane) {
    case SCHEDULER_FAIR:
        scheduler->express.fed += cost;
        break;
    case SCHEDULER_AFFINITY:
        scheduler->express.fed += cost;
        scheduler->affinity.used += cost;
        break;
    case SCHEDULER_EXPRESS:
        turn->user->savings = scheduler_user_savings(scheduler, turn->user) - (int64_t)cost;
        if (turn->passed)
            turn->passed->delayed += cost;
        break;
    }
}

void scheduler_charge(struct scheduler *scheduler, uint64_t cost)
{
    struct scheduler_turn turn = scheduler->turn;
    struct scheduler_user *user = turn.user;
    uint64_t client_time = 0;

    assert(user);
    if (cost > SCHEDULER_COST_MAX)
        cost = SCHEDULER_COST_MAX;
    scheduler_charge_lane(scheduler, &turn, cost);
    if (turn.client)
        client_time = scheduler_moved(turn.client->virtual_time, cost, turn.client_limit);
    scheduler_move(
        scheduler, user,
        scheduler_moved(user->virtual_time, scheduler_user_weigh(user, cost), turn.user_limit),
        turn.client, client_time);
    scheduler->turn = (struct scheduler_turn){0};
}

void scheduler_bill(struct scheduler *scheduler, struct scheduler_client *client, uint64_t cost)
{
    struct scheduler_user *user = client->user;

    scheduler_move(scheduler, user, user->virtual_time + scheduler_user_weigh(user, cost), client,
                   client->virtual_time + cost);
}

void scheduler_bill_user(struct scheduler *scheduler, struct scheduler_user *user, uint64_t cost)
{
    if (scheduler_user_rests(scheduler, user))
        scheduler_user_begin(scheduler, user, SCHEDULER_NORMAL);
    scheduler_move(scheduler, user, user->virtual_time + scheduler_user_weigh(user, cost), NULL, 0);
}

void scheduler_scan(struct scheduler *scheduler, struct scheduler_client *client)
{
    struct scheduler_user *user = client->user;

    if (!list_empty(&client->scan))
        return;
    list_insert_before(&user->scanned, &client->scan);
    if (list_empty(&user->scan))
        list_insert_before(&scheduler->scan, &user->scan);
}

void scheduler_scanned(struct scheduler_client *client)
{
    list_remove(&client->scan);
    if (list_empty(&client->user->scanned))
        list_remove(&client->user->scan);
}

bool scheduler_scans(const struct scheduler *scheduler)
{
    return !list_empty(&scheduler->scan);
}

struct scheduler_client *scheduler_scan_next(struct scheduler *scheduler)
{
    struct scheduler_client *client;
    struct scheduler_user *user;

    if (list_empty(&scheduler->scan))
        return NULL;
    user = list_entry(scheduler->scan.next, struct scheduler_user, scan);
    client = list_entry(user->scanned.next, struct scheduler_client, scan);
    list_remove(&user->scan);
    list_insert_before(&scheduler->scan, &user->scan);
    scheduler_scanned(client);
    return client;
}
