/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scheduler-user.h"

#include <stdlib.h>

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

struct scheduler_user *scheduler_user_new(void)
{
    struct scheduler_user *user = calloc(1, sizeof(*user));

    if (!user)
        return NULL;
    list_init(&user->link);
    list_init(&user->express);
    list_init(&user->scan);
    list_init(&user->scanned);
    user->ready.before = scheduler_user_fair_before;
    user->cheap.before = scheduler_user_cheap_before;
    user->savings = SCHEDULER_EXPRESS_SAVINGS;
    return user;
}

void scheduler_user_free(struct scheduler_user *user)
{
    if (!user)
        return;
    list_remove(&user->link);
    free(user);
}

int64_t scheduler_user_savings(const struct scheduler *scheduler, struct scheduler_user *user)
{
    uint64_t missing = (uint64_t)(SCHEDULER_EXPRESS_SAVINGS - user->savings);
    uint64_t fed = scheduler->express.fed - user->fed_before;

    user->savings += (int64_t)(fed < missing ? fed : missing);
    user->fed_before = scheduler->express.fed;
    return user->savings;
}

void scheduler_user_forget(struct scheduler *scheduler, struct scheduler_user *user)
{
    if (user->clients == 0 && user->virtual_time <= scheduler->fair.virtual_time
        && scheduler->turn.user != user
        && scheduler_user_savings(scheduler, user) == SCHEDULER_EXPRESS_SAVINGS)
        scheduler_user_free(user);
}

struct scheduler_user *scheduler_user_get(struct scheduler *scheduler, uint32_t uid,
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
    list_for_each (it, &scheduler->users)
        scheduler_user_forget(scheduler, list_entry(it, struct scheduler_user, link));
    record->uid = uid;
    record->priority = priority;
    record->virtual_time = scheduler->fair.virtual_time;
    record->fed_before = scheduler->express.fed;
    list_insert_before(&scheduler->users, &record->link);
    return record;
}
