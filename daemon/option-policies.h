/* SPDX-License-Identifier: BSD-2-Clause */
/* What users may send, of what options and sections say. Main thread. */
#pragma once

#include "engine/policies.h"
#include "findings.h"

/* All zero: nothing was read. */
struct option_policies {
    struct policy member, guest, denied; /* as struct policies_config has them */
    GArray *rules;                       /* of struct policies_rule: what sections say */
    GArray *admins;                      /* of uint32_t: users who may send everything */
    GArray *admin_groups;                /* of gid_t: groups whose members may */
};

/* Reads all of them. A value that is wrong is a finding; what is right counts all the same. A
 * section for a user or a group that is not there makes no rule. */
void option_policies_read(struct option_policies *policies, const struct settings *settings,
                          struct findings *findings);

/* Points `config` at them, which they must outlive. */
void option_policies_fill(const struct option_policies *policies, struct policies_config *config);

/* Gives back what they hold. Harmless when repeated. */
void option_policies_clear(struct option_policies *policies);
