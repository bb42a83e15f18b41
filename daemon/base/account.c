/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/account.h"

#include <inttypes.h>
#include <stdio.h>

/* The account of the last block is the number before ACCOUNT_GUESTS. */
#define ACCOUNT_UNKNOWN_FIRST (ACCOUNT_GUESTS - ACCOUNT_BLOCK)

uint32_t account_unknown(uint32_t uid)
{
    return ACCOUNT_UNKNOWN_FIRST + uid / ACCOUNT_BLOCK;
}

bool account_is_unknown(uint32_t account)
{
    return account >= ACCOUNT_UNKNOWN_FIRST && account != ACCOUNT_GUESTS;
}

const char *account_text(uint32_t account, char text[ACCOUNT_TEXT])
{
    if (account == ACCOUNT_GUESTS)
        snprintf(text, ACCOUNT_TEXT, "the guests");
    else if (account_is_unknown(account))
        snprintf(text, ACCOUNT_TEXT, "new users");
    else
        snprintf(text, ACCOUNT_TEXT, "user %" PRIu32, account);
    return text;
}
