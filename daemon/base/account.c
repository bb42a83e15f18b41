/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/account.h"

#include <inttypes.h>
#include <stdio.h>

const char *account_text(uint32_t account, char text[ACCOUNT_TEXT])
{
    if (account == ACCOUNT_GUESTS)
        snprintf(text, ACCOUNT_TEXT, "the guests");
    else
        snprintf(text, ACCOUNT_TEXT, "user %" PRIu32, account);
    return text;
}
