/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/tries.h"

#include <stddef.h>

/* The TPM's limit, divided by this, is what one account has. */
#define SHARES 3

static int64_t recovery_ms(const struct tries_rule *rule)
{
    return (int64_t)rule->recovery * 1000;
}

static uint32_t budget(const struct tries_rule *rule)
{
    return rule->limit < SHARES ? 1 : rule->limit / SHARES;
}

/* Takes off what has recovered. A count that began in the future is that of another clock. */
static void recover(struct tries_count *count, const struct tries_rule *rule, int64_t now)
{
    int64_t over = (now - count->since) / recovery_ms(rule);

    if (over < 0 || over >= count->count) {
        count->count = 0;
        return;
    }
    count->count -= (uint32_t)over;
    count->since += over * recovery_ms(rule);
}

/* The count of an account; NULL when it has none. All are brought up to date on the way. */
static struct tries_count *find(struct tries *tries, const struct tries_rule *rule,
                                uint32_t account, int64_t now)
{
    struct tries_count *found = NULL, *further = &tries->counts[TRIES_ACCOUNTS];

    tries->used = 0;
    for (unsigned i = 0; i <= TRIES_ACCOUNTS; i++) {
        struct tries_count *count = &tries->counts[i];

        if (count->count > 0)
            recover(count, rule, now);
        tries->used += count->count > 0;
        if (count != further && count->count > 0 && count->account == account)
            found = count;
    }
    return found ? found : further->count > 0 ? further : NULL;
}

/* A free count, or that of further accounts. */
static struct tries_count *take(struct tries *tries, uint32_t account, int64_t now)
{
    unsigned i = 0;

    while (i < TRIES_ACCOUNTS && tries->counts[i].count > 0)
        i++;
    tries->counts[i] = (struct tries_count){.account = account, .since = now};
    tries->used++;
    return &tries->counts[i];
}

void tries_add(struct tries *tries, const struct tries_rule *rule, uint32_t account, int64_t now)
{
    struct tries_count *count;

    if (rule->recovery == 0 || rule->limit == 0)
        return;
    count = find(tries, rule, account, now);
    if (!count)
        count = take(tries, account, now);
    if (count->count < budget(rule))
        count->count++;
}

int64_t tries_wait(struct tries *tries, const struct tries_rule *rule, uint32_t account,
                   int64_t now)
{
    const struct tries_count *count;

    if (tries->used == 0 || rule->recovery == 0 || rule->limit == 0)
        return 0;
    count = find(tries, rule, account, now);
    if (!count || count->count < budget(rule))
        return 0;
    return count->since + recovery_ms(rule) - now;
}

void tries_clear(struct tries *tries)
{
    *tries = (struct tries){0};
}
