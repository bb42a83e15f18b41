/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a client may send a command: by its policy (rm/policy.h), and by its account's budget of
 * wrong passwords (rm/tries.h). Decided after the command was parsed, and before anything is done
 * for it.
 *
 * What hierarchies have an authorization is asked of the chip for each command that depends on it:
 * these are rare, and other users of the chip may change it unseen.
 */
#pragma once

#include "rm/state.h"

/* The same for what is not decided at a glance; what follows is for callers. */
uint32_t permission_look(struct rm_client *client, const struct command *command);
void permission_note(struct rm_client *client, const struct command *command, uint32_t code);

/* Whether one of the handles is a hierarchy's, or like one (Part 2, "TPM_HT": permanent). */
static inline bool permission_names_permanent(const struct command *command)
{
    bool found = false;

    for (unsigned i = 0; i < command->handle_count; i++)
        found |= command->handles[i] >> 24 == TPM2_HT_PERMANENT;
    return found;
}

/*
 * 0, or what the client is told: RM_RC_DISABLED by its policy, RM_RC_LOCKOUT when its account has
 * used up its budget and the command has sessions. Both are counted, and logged once for each
 * connection. A command whose tag is none is judged as one without handles and sessions.
 */
static inline uint32_t permission_check(struct rm_client *client, const struct command *command)
{
    const struct policy *policy;
    uint8_t rule;

    if (!client->policy)
        return TPM2_RC_SUCCESS;
    policy = &client->policy->policy;
    rule = policy_rule(policy, command->code);
    if (rule & ~POLICY_NO_PLATFORM || (rule && permission_names_permanent(command))
        || (policy->counts_tries && client->rm->tries.used > 0))
        return permission_look(client, command);
    return TPM2_RC_SUCCESS;
}

/* What the chip answered to a client's command: a wrong password counts, and some commands change
 * what counts. These come early among the codes. */
static inline void permission_learn(struct rm_client *client, const struct command *command,
                                    uint32_t code)
{
    if (code != TPM2_RC_SUCCESS || command->code <= TPM2_CC_DictionaryAttackParameters)
        permission_note(client, command, code);
}
