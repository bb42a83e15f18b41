/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log-limit.h"

static bool is_over(const struct log_limit_entry *entry, int64_t now)
{
    return now - entry->since >= LOG_LIMIT_MS || now < entry->since;
}

/* The entry for an account: the account's own, else a free one, else the entry that all further
 * accounts share. */
static struct log_limit_entry *find(struct log_limit *limit, enum log_event event, uint32_t account,
                                    int64_t now)
{
    struct log_limit_entry *entries = limit->entries[event], *free = NULL;

    for (unsigned i = 0; i < LOG_LIMIT_ACCOUNTS; i++) {
        struct log_limit_entry *entry = &entries[i];

        if (entry->used && entry->account == account)
            return entry;
        if (!free && (!entry->used || (is_over(entry, now) && entry->left_out == 0)))
            free = entry;
    }
    if (!free)
        return &entries[LOG_LIMIT_ACCOUNTS];
    *free = (struct log_limit_entry){.account = account};
    return free;
}

bool log_limit_admit(struct log_limit *limit, enum log_event event, uint32_t account, int64_t now)
{
    struct log_limit_entry *entry = find(limit, event, account, now);

    if (!entry->used || (is_over(entry, now) && entry->left_out == 0)) {
        entry->used = true;
        entry->since = now;
        entry->lines = 0;
    }
    if (entry->lines < LOG_LIMIT_LINES) {
        entry->lines++;
        return true;
    }
    entry->left_out++;
    return false;
}

bool log_limit_ended(struct log_limit *limit, int64_t now, struct log_limit_count *count)
{
    for (unsigned event = 0; event < LOG_EVENTS_LIMITED; event++) {
        for (unsigned i = 0; i <= LOG_LIMIT_ACCOUNTS; i++) {
            struct log_limit_entry *entry = &limit->entries[event][i];

            if (!entry->used || entry->left_out == 0 || !is_over(entry, now))
                continue;
            *count = (struct log_limit_count){
                .event = (enum log_event)event,
                .account = entry->account,
                .several = i == LOG_LIMIT_ACCOUNTS,
                .left_out = entry->left_out,
            };
            *entry = (struct log_limit_entry){0};
            return true;
        }
    }
    return false;
}
