/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each user may send: administrators everything, members of the socket's group and guests, who
 * are all others, what the policy of their class says. Administrators are root, the user that the
 * daemon runs as, and whom the configuration names. The account that a user is on says nothing of
 * that.
 *
 * Does not change once it is made, and is shared by reference. Any thread.
 */
#pragma once

#include "rm/policy.h"

struct policies;

struct policies_config {
    struct policy member, guest;
    const uint32_t *admins; /* beside root and the daemon's own user */
    unsigned admin_count;
};

/* Copies the configuration; has one reference. NULL without memory. */
struct policies *policies_new(const struct policies_config *config);

/* One reference more, which it returns; one less. NULL is fine. */
struct policies *policies_reference(struct policies *policies);
void policies_unreference(struct policies *policies);

/* The policy of a user who is a member of the socket's group, or is not. */
const struct policy *policies_of(const struct policies *policies, uint32_t uid, bool member);

/* Warns when hierarchies have empty authorizations, as `permanent` (TPMA_PERMANENT) says, and
 * members may make use of that. */
void policies_warn(const struct policies *policies, uint32_t permanent);
