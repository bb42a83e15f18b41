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

/*
 * 0, or what the client is told: RM_RC_DISABLED by its policy, RM_RC_LOCKOUT when its account has
 * used up its budget and the command has sessions. Both are counted, and logged once for each
 * connection. A command whose tag is none is judged as one without handles and sessions.
 */
uint32_t permission_check(struct rm_client *client, const struct command *command);

/* What the chip answered to a client's command: a wrong password counts, and some commands change
 * what counts. */
void permission_learn(struct rm_client *client, const struct command *command, uint32_t code);
