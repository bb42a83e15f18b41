/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scheduler-user.h"

/* What each priority weighs. */
static const uint64_t scheduler_user_weights[] = {
    [SCHEDULER_LOW] = 1,
    [SCHEDULER_NORMAL] = 4,
    [SCHEDULER_HIGH] = 16,
};

uint64_t scheduler_user_weigh(const struct scheduler_user *user, uint64_t time)
{
    return time * scheduler_user_weights[SCHEDULER_NORMAL] / scheduler_user_weights[user->priority];
}

bool scheduler_user_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_user *ua = heap_entry(a, struct scheduler_user, node);
    const struct scheduler_user *ub = heap_entry(b, struct scheduler_user, node);

    return scheduler_user_earlier(ua->virtual_time, ua->sequence, ub->virtual_time, ub->sequence);
}

static bool scheduler_user_fair_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_client *ca = heap_entry(a, struct scheduler_client, fair);
    const struct scheduler_client *cb = heap_entry(b, struct scheduler_client, fair);

    return scheduler_user_earlier(ca->virtual_time, ca->sequence, cb->virtual_time, cb->sequence);
}

static bool scheduler_user_cheap_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct scheduler_client *ca = heap_entry(a, struct scheduler_client, cheap);
    const struct scheduler_client *cb = heap_entry(b, struct scheduler_client, cheap);

    if (ca->cost_class != cb->cost_class)
        return ca->cost_class < cb->cost_class;
    return scheduler_user_earlier(ca->virtual_time, ca->sequence, cb->virtual_time, cb->sequence);
}

void scheduler_user_init(struct scheduler_user *user)
{
    *user = (struct scheduler_user){.savings = SCHEDULER_EXPRESS_SAVINGS};
    list_init(&user->express);
    list_init(&user->scan);
    list_init(&user->scanned);
    user->ready.before = scheduler_user_fair_before;
    user->cheap.before = scheduler_user_cheap_before;
}

int64_t scheduler_user_savings(const struct scheduler *scheduler, struct scheduler_user *user)
{
    uint64_t missing = (uint64_t)(SCHEDULER_EXPRESS_SAVINGS - user->savings);
    uint64_t fed = scheduler->express.fed - user->fed_before;

    user->savings += (int64_t)(fed < missing ? fed : missing);
    user->fed_before = scheduler->express.fed;
    return user->savings;
}

bool scheduler_user_rests(const struct scheduler *scheduler, struct scheduler_user *user)
{
    return user->clients == 0 && user->virtual_time <= scheduler->fair.virtual_time
           && scheduler->turn.user != user
           && scheduler_user_savings(scheduler, user) == SCHEDULER_EXPRESS_SAVINGS;
}

void scheduler_user_begin(const struct scheduler *scheduler, struct scheduler_user *user,
                          enum scheduler_priority priority)
{
    scheduler_user_init(user);
    user->priority = priority;
    user->virtual_time = scheduler->fair.virtual_time;
    user->fed_before = scheduler->express.fed;
}
