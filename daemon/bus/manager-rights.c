/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-rights.h"

#include "base/account.h"

/* No user has this number, as none has that of the guests. */
#define MANAGER_NOBODY ACCOUNT_GUESTS

struct manager_caller manager_rights_of(uint32_t uid, uint32_t account, uint32_t own)
{
    return (struct manager_caller){uid, account,
                                   uid != MANAGER_NOBODY && (uid == ACCOUNT_ROOT || uid == own)};
}

struct manager_caller manager_rights_of_nobody(void)
{
    return (struct manager_caller){MANAGER_NOBODY, MANAGER_NOBODY, false};
}

bool manager_rights_see_user(const struct manager_caller *caller, uint32_t uid)
{
    return caller->administrator || (caller->uid == uid && uid != MANAGER_NOBODY);
}

bool manager_rights_see_account(const struct manager_caller *caller, uint32_t account)
{
    return caller->administrator
           || (caller->account == account && caller->uid == account && account != MANAGER_NOBODY);
}
