/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An account is whom shares and limits are for: root, a user whom the system's user database knows
 * as a member of the group that may use the daemon, or all other users together. Its number is the
 * user's, or ACCOUNT_GUESTS. What a user is permitted goes by the user's own number, never by the
 * account's.
 *
 * While the user database was not asked yet, the users of a block of numbers count as one account:
 * a user with subordinate users (subuid(5)) is seen as any of them, and its subordinate users fill
 * one or a few blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNT_ROOT   UINT32_C(0)
#define ACCOUNT_GUESTS UINT32_MAX /* no user has this number: chown(2) takes it for none */

#define ACCOUNT_BLOCK UINT32_C(65536) /* users with the same number divided by this */

#define ACCOUNT_TEXT 24 /* bytes of an account's name in log lines, its final 0 included */

/* The account of a user of whom nothing is known yet: that of its block. These accounts have the
 * numbers before ACCOUNT_GUESTS, which no user has to itself. */
uint32_t account_unknown(uint32_t uid);
bool account_is_unknown(uint32_t account);

/* "user 1000", "the guests" or "new users". Returns `text`. */
const char *account_text(uint32_t account, char text[ACCOUNT_TEXT]);
