/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each user may have: limits, a priority, localities. The rule of a user says it first; what
 * that does not say, the rules of the user's groups do, of which the strictest counts; then the
 * rule for all, and then the limits that hold for all. Each key is found by itself.
 *
 * Rules do not change once they are made, and are shared by reference. Any thread.
 */
#pragma once

#include "engine/peer-groups.h"
#include "engine/scheduler.h"
#include "rm/rm.h"

#include <stdint.h>

/* What a rule can say. Of two values of one key the strictest is the lesser one, and of localities
 * what both have. */
enum rule_key {
    RULE_CONNECTIONS_PER_USER,
    RULE_SESSIONS,
    RULE_SESSIONS_PER_USER,
    RULE_TRANSIENTS,
    RULE_TRANSIENTS_PER_USER,
    RULE_ABANDONED_PER_USER,
    RULE_PRIORITY,   /* an enum scheduler_priority */
    RULE_LOCALITIES, /* a bit for each, the lowest for locality 0 */
    RULE_COUNT
};

enum rule_subject { RULE_FOR_ALL, RULE_FOR_USER, RULE_FOR_GROUP };

struct rule {
    enum rule_subject subject;
    uint32_t id; /* of the user, or of the group */
    bool said[RULE_COUNT];
    uint32_t values[RULE_COUNT]; /* of what is said */
};

struct rules;

/* What holds for one connection. */
struct user_rules {
    struct rm_limits limits;
    unsigned connections_per_user; /* 0: no limit but the user's share */
    enum scheduler_priority priority;
    uint8_t localities; /* those that the user may set, as a rule has them; 0 is always one */
};

/* What holds where no rule says otherwise, and rules; at most one for each subject. */
struct rules_config {
    struct rm_limits limits;
    unsigned connections_per_user; /* 0: no limit */
    const struct rule *rules;
    unsigned count;
};

/* Copies the configuration; has one reference. NULL without memory. */
struct rules *rules_new(const struct rules_config *config);

/* One reference more, which it returns; one less. NULL is fine. */
struct rules *rules_reference(struct rules *rules);
void rules_unreference(struct rules *rules);

/* Whether there is a rule for this very user; whether there is one for any group. */
bool rules_name(const struct rules *rules, uint32_t uid);
bool rules_have_groups(const struct rules *rules);

/* What holds for a connection of user `uid` with these groups (where they are not known the rule of
 * any group may be its own, and gives it no more than what holds for all), whose account is
 * `account` (base/account.h): guests have one priority together, that of the rule for all. */
void rules_find(const struct rules *rules, uint32_t uid, const struct peer_groups *groups,
                uint32_t account, struct user_rules *found);
