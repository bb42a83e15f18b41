/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that the engine has for users (engine/rules.h), of what sections and lists of users
 * say. A user's own section is stronger than a list in a file, and a list on the command line is
 * stronger than both. Main thread.
 */
#pragma once

#include "findings.h"

/*
 * An array of struct rule, to be freed with g_array_unref(). A value that is wrong is a finding,
 * and so is a user or a group that is not there; users that lists name are looked up.
 * `sessions_per_user` is that limit for all.
 */
GArray *option_rules_read(const struct settings *settings, unsigned sessions_per_user,
                          struct findings *findings);

/*
 * The users that an option lists, an array of uint32_t, to be freed with g_array_unref(). Words
 * that begin with @ are groups, of which the numbers (gid_t) go to `groups`; with NULL there are
 * none. Who is not there may come to be later, and is no reason not to start where a file says it.
 */
GArray *option_rules_users(const struct settings *settings, enum option_id id, GArray *groups,
                           struct findings *findings);
