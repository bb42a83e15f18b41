/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may see what of the manager interface, and who may steer. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Who calls. */
struct manager_caller {
    uint32_t uid, account; /* base/account.h */
    bool administrator;    /* root, or the user that the daemon runs as: sees all, and may steer */
};

/* A caller whose account is `account`, of a daemon that runs as user `own`. */
struct manager_caller manager_rights_of(uint32_t uid, uint32_t account, uint32_t own);

/* Nobody: sees nothing. */
struct manager_caller manager_rights_of_nobody(void);

/* Whether the caller sees what is about a connection of user `uid`. */
bool manager_rights_see_user(const struct manager_caller *caller, uint32_t uid);

/* Whether it sees what is about a whole account. One that users share tells each of others. */
bool manager_rights_see_account(const struct manager_caller *caller, uint32_t account);
