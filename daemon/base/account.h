/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An account is whom shares and limits are for: root, a user whom the system's user database knows
 * as one of those who may use the daemon, or all others together. Its number is the user's, or
 * ACCOUNT_GUESTS. What a user is permitted goes by its own number, never by the account's.
 */
#pragma once

#include <stdint.h>

#define ACCOUNT_ROOT   UINT32_C(0)
#define ACCOUNT_GUESTS UINT32_MAX /* no user has this number: chown(2) takes it for none */

#define ACCOUNT_TEXT 24 /* bytes of an account's name in log lines, its final 0 included */

/* "user 1000", or "the guests". Returns `text`. */
const char *account_text(uint32_t account, char text[ACCOUNT_TEXT]);
