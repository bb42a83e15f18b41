/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/rules.h"

#include "base/account.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Localities that may be set where no rule says which. Localities 3 and 4 are the platform's own
 * (TPM 2.0 Library Part 1, clause "Locality"). */
#define RULES_LOCALITIES      UINT32_C(0x01)
#define RULES_LOCALITIES_ROOT UINT32_C(0x07)

struct rules {
    atomic_uint references;
    struct rm_limits limits;
    unsigned connections_per_user;
    unsigned count;
    struct rule rules[];
};

struct rules *rules_new(const struct rules_config *config)
{
    struct rules *rules = calloc(1, sizeof(*rules) + config->count * sizeof(struct rule));

    if (!rules)
        return NULL;
    atomic_init(&rules->references, 1);
    rules->limits = config->limits;
    rules->connections_per_user = config->connections_per_user;
    rules->count = config->count;
    if (config->count > 0)
        memcpy(rules->rules, config->rules, config->count * sizeof(struct rule));
    return rules;
}

struct rules *rules_reference(struct rules *rules)
{
    if (rules)
        atomic_fetch_add(&rules->references, 1);
    return rules;
}

void rules_unreference(struct rules *rules)
{
    if (rules && atomic_fetch_sub(&rules->references, 1) == 1)
        free(rules);
}

bool rules_name(const struct rules *rules, uint32_t uid)
{
    for (unsigned i = 0; i < rules->count; i++) {
        if (rules->rules[i].subject == RULE_FOR_USER && rules->rules[i].id == uid)
            return true;
    }
    return false;
}

bool rules_have_groups(const struct rules *rules)
{
    for (unsigned i = 0; i < rules->count; i++) {
        if (rules->rules[i].subject == RULE_FOR_GROUP)
            return true;
    }
    return false;
}

static uint32_t rules_stricter(enum rule_key key, uint32_t one, uint32_t other)
{
    if (key == RULE_LOCALITIES)
        return one & other;
    return one < other ? one : other;
}

/* Adds what `rule` says to what other rules of equal rank say. */
static void rules_join(struct rule *joined, const struct rule *rule)
{
    for (enum rule_key key = 0; key < RULE_COUNT; key++) {
        if (!rule->said[key])
            continue;
        joined->values[key] = joined->said[key]
                                  ? rules_stricter(key, joined->values[key], rule->values[key])
                                  : rule->values[key];
        joined->said[key] = true;
    }
}

/* Has `rule` say what it does not say and the weaker one does. */
static void rules_fill(struct rule *rule, const struct rule *weaker)
{
    for (enum rule_key key = 0; key < RULE_COUNT; key++) {
        if (rule->said[key] || !weaker->said[key])
            continue;
        rule->said[key] = true;
        rule->values[key] = weaker->values[key];
    }
}

/* What holds where there is no rule for anybody. */
static struct rule rules_standard(const struct rules *rules, uint32_t uid)
{
    const struct rm_limits *limits = &rules->limits;
    struct rule standard = {
        .values =
            {
                [RULE_CONNECTIONS_PER_USER] = rules->connections_per_user,
                [RULE_SESSIONS] = limits->sessions_per_client,
                [RULE_SESSIONS_PER_USER] = limits->sessions_per_uid,
                [RULE_TRANSIENTS] = limits->objects_per_client,
                [RULE_TRANSIENTS_PER_USER] = limits->objects_per_uid,
                [RULE_ABANDONED_PER_USER] = limits->abandoned_per_uid,
                [RULE_PRIORITY] = SCHEDULER_NORMAL,
                [RULE_LOCALITIES] = uid == ACCOUNT_ROOT ? RULES_LOCALITIES_ROOT : RULES_LOCALITIES,
            },
    };

    memset(standard.said, true, sizeof(standard.said));
    return standard;
}

static struct user_rules rules_read(const struct rules *rules, const struct rule *rule)
{
    const uint32_t *values = rule->values;

    return (struct user_rules){
        .limits = {.objects_per_client = values[RULE_TRANSIENTS],
                   .sessions_per_client = values[RULE_SESSIONS],
                   .objects_per_uid = values[RULE_TRANSIENTS_PER_USER],
                   .sessions_per_uid = values[RULE_SESSIONS_PER_USER],
                   .abandoned_per_uid = values[RULE_ABANDONED_PER_USER],
                   .share_sessions = rules->limits.share_sessions},
        .connections_per_user = values[RULE_CONNECTIONS_PER_USER],
        .priority = (enum scheduler_priority)values[RULE_PRIORITY],
        .localities = (uint8_t)(values[RULE_LOCALITIES] | RULES_LOCALITIES),
    };
}

void rules_find(const struct rules *rules, uint32_t uid, const struct peer_groups *groups,
                uint32_t account, struct user_rules *found)
{
    struct rule own = {0}, joined = {0}, all = {0};
    const struct rule standard = rules_standard(rules, uid);

    for (unsigned i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->rules[i];

        switch (rule->subject) {
        case RULE_FOR_ALL:
            rules_join(&all, rule);
            break;
        case RULE_FOR_USER:
            if (rule->id == uid)
                rules_join(&own, rule);
            break;
        case RULE_FOR_GROUP:
            if (!groups->known || peer_groups_have(groups, rule->id))
                rules_join(&joined, rule);
            break;
        }
    }
    rules_fill(&all, &standard);
    if (!groups->known)
        rules_join(&joined, &all);
    rules_fill(&own, &joined);
    rules_fill(&own, &all);
    *found = rules_read(rules, &own);
    if (account == ACCOUNT_GUESTS)
        found->priority = (enum scheduler_priority)all.values[RULE_PRIORITY];
}
