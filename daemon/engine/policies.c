/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/policies.h"

#include "base/account.h"
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct policies {
    atomic_uint references;
    struct policy admin, member, guest, denied;
    struct policies_rule *rules;
    uint32_t *admins;
    gid_t *admin_groups;
    unsigned rule_count, admin_count, admin_group_count;
};

static void *policies_copy(const void *from, size_t count, size_t size)
{
    void *copy = calloc(count + 1, size);

    if (copy && count > 0)
        memcpy(copy, from, count * size);
    return copy;
}

struct policies *policies_new(const struct policies_config *config)
{
    struct policies *policies = calloc(1, sizeof(*policies));

    if (!policies)
        return NULL;
    atomic_init(&policies->references, 1);
    policies->admin = policy_preset(POLICY_OPEN);
    policies->member = config->member;
    policies->guest = config->guest;
    policies->denied = config->denied;
    policy_join(&policies->member, &policies->denied);
    policies->rule_count = config->rule_count;
    policies->rules = policies_copy(config->rules, config->rule_count, sizeof(*policies->rules));
    policies->admin_count = config->admin_count;
    policies->admins = policies_copy(config->admins, config->admin_count, sizeof(uint32_t));
    policies->admin_group_count = config->admin_group_count;
    policies->admin_groups =
        policies_copy(config->admin_groups, config->admin_group_count, sizeof(gid_t));
    if (policies->rules && policies->admins && policies->admin_groups)
        return policies;
    policies_unreference(policies);
    return NULL;
}

struct policies *policies_reference(struct policies *policies)
{
    if (policies)
        atomic_fetch_add(&policies->references, 1);
    return policies;
}

void policies_unreference(struct policies *policies)
{
    if (!policies || atomic_fetch_sub(&policies->references, 1) != 1)
        return;
    free(policies->rules);
    free(policies->admins);
    free(policies->admin_groups);
    free(policies);
}

static bool policies_name_admin(const struct policies *policies, uint32_t uid,
                                const struct peer_groups *groups)
{
    if (uid == ACCOUNT_ROOT || uid == geteuid())
        return true;
    for (unsigned i = 0; i < policies->admin_count; i++) {
        if (policies->admins[i] == uid)
            return true;
    }
    for (unsigned i = 0; i < policies->admin_group_count; i++) {
        if (peer_groups_have(groups, policies->admin_groups[i]))
            return true;
    }
    return false;
}

static void policies_apply(const struct policies_rule *rule, struct policy *policy)
{
    if (rule->preset != POLICY_PRESETS)
        *policy = policy_preset(rule->preset);
    policy_exempt(policy, &rule->allowed);
    policy_join(policy, &rule->denied);
}

/* Changes the policy of a class to what the rules of groups leave of it. */
static void policies_apply_groups(const struct policies *policies, const struct peer_groups *groups,
                                  bool member, struct policy *policy)
{
    const struct policy class = *policy;
    bool said = !member || !groups->known;

    for (unsigned i = 0; i < policies->rule_count; i++) {
        const struct policies_rule *rule = &policies->rules[i];
        struct policy one = class;

        if (rule->subject != RULE_FOR_GROUP
            || (groups->known && !peer_groups_have(groups, rule->id)))
            continue;
        policies_apply(rule, &one);
        if (said)
            policy_join(policy, &one);
        else
            *policy = one;
        said = true;
    }
}

void policies_of(const struct policies *policies, uint32_t uid, const struct peer_groups *groups,
                 bool member, struct policy *policy)
{
    if (policies_name_admin(policies, uid, groups)) {
        *policy = policies->admin;
        return;
    }
    *policy = member ? policies->member : policies->guest;
    policies_apply_groups(policies, groups, member, policy);
    for (unsigned i = 0; i < policies->rule_count; i++) {
        if (policies->rules[i].subject == RULE_FOR_USER && policies->rules[i].id == uid)
            policies_apply(&policies->rules[i], policy);
    }
    policy_join(policy, &policies->denied);
}

/* What a member can do with an authorization that is empty. */
static const struct {
    uint32_t handle, bit, code; /* of the hierarchy, in TPMA_PERMANENT, and of a command for it */
    const char *name, *power;
} empty_powers[] = {
    {TPM2_RH_OWNER, TPMA_PERMANENT_OWNERAUTHSET, TPM2_CC_HierarchyChangeAuth, "owner",
     "take the owner hierarchy over or switch it off"},
    {TPM2_RH_ENDORSEMENT, TPMA_PERMANENT_ENDORSEMENTAUTHSET, TPM2_CC_HierarchyChangeAuth,
     "endorsement", "take the endorsement hierarchy over or switch it off"},
    {TPM2_RH_LOCKOUT, TPMA_PERMANENT_LOCKOUTAUTHSET, TPM2_CC_Clear, "lockout",
     "clear the TPM, or lock everybody's keys"},
};

/* Adds a word or clause to a list in words. */
static void add_text(char *list, size_t size, const char *text)
{
    size_t used = strlen(list);

    snprintf(list + used, size - used, "%s%s", used ? ", " : "", text);
}

void policies_warn(const struct policies *policies, uint32_t permanent)
{
    char names[64] = "", powers[256] = "";

    for (size_t i = 0; i < sizeof(empty_powers) / sizeof(empty_powers[0]); i++) {
        if (permanent & empty_powers[i].bit
            || policy_judge(&policies->member, empty_powers[i].code, &empty_powers[i].handle, 1, 0))
            continue;
        add_text(names, sizeof(names), empty_powers[i].name);
        add_text(powers, sizeof(powers), empty_powers[i].power);
    }
    if (names[0])
        log_event(LOG_EVENT_AUTHORIZATION_EMPTY, LOG_NOBODY,
                  "authorizations of the TPM are empty (%s), so that any member of the socket's "
                  "group can: %s; set them (tpm2_changeauth), or leave that to administrators "
                  "(--policy=guarded)",
                  names, powers);
}
