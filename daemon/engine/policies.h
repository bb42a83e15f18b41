/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each user may send: administrators everything, members of the socket's group and guests, who
 * are all others, what the policy of their class says. Administrators are root, the user that the
 * daemon runs as, and whom the configuration names. The account that a user is on says nothing of
 * that.
 *
 * Rules change the policy of a class: first those of the user's groups, of which the strictest
 * counts, and then the user's own, which so wins over them. Rules of groups permit a guest no more
 * than its class does; the guest's own may.
 *
 * Does not change once it is made, and is shared by reference. Any thread.
 */
#pragma once

#include "engine/peer-groups.h"
#include "engine/rules.h"
#include "rm/policy.h"

struct policies;

/* What is said of a user or of a group, as a change of what holds without it. */
struct policies_rule {
    enum rule_subject subject; /* RULE_FOR_USER or RULE_FOR_GROUP */
    uint32_t id;
    enum policy_preset preset; /* begins anew with this one; POLICY_PRESETS: it does not */
    struct policy allowed;     /* then permits what this refuses, */
    struct policy denied;      /* and then refuses what this does */
};

/* At most one rule for each subject. */
struct policies_config {
    struct policy member, guest;
    struct policy denied; /* what no rule permits to anybody but administrators */
    const struct policies_rule *rules;
    unsigned rule_count;
    const uint32_t *admins; /* beside root and the daemon's own user */
    unsigned admin_count;
    const gid_t *admin_groups; /* whose members are administrators too */
    unsigned admin_group_count;
};

/* Copies the configuration; has one reference. NULL without memory. */
struct policies *policies_new(const struct policies_config *config);

/* One reference more, which it returns; one less. NULL is fine. */
struct policies *policies_reference(struct policies *policies);
void policies_unreference(struct policies *policies);

/*
 * The policy of a connection of user `uid` with these groups, who is a member of the socket's group
 * or is not. Where the groups are not known the rule of any group may be its own, and permits no
 * more than its class does; and nobody is an administrator by a group.
 */
void policies_of(const struct policies *policies, uint32_t uid, const struct peer_groups *groups,
                 bool member, struct policy *policy);

/* Warns when hierarchies have empty authorizations, as `permanent` (TPMA_PERMANENT) says, and
 * members for whom there is no rule may make use of that. */
void policies_warn(const struct policies *policies, uint32_t permanent);
