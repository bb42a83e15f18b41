/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the system's user database (nsswitch.conf(5)) says of a user. Asking may take long, where
 * the database is on the network or does not answer.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Whether the database knows the user `uid`, as a member of `group` (its own group counts): 1 for
 * yes, 0 for no, or a negative errno when it does not say. Blocks. Any thread. */
int membership_lookup(uint32_t uid, gid_t group);

/* The users that the group's own entry lists, up to `max` of them. How many. Blocks. Any thread. */
unsigned membership_list(gid_t group, uint32_t *uids, unsigned max);
