/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/user.h"

#include "rm/state.h"

#include <assert.h>

struct rm_user *rm_user_get(struct rm *rm, uint32_t account)
{
    struct rm_user *user;

    list_for_each (link, &rm->users) {
        user = list_entry(link, struct rm_user, link);
        if (user->uid == account)
            return rm_user_reference(user);
    }
    user = calloc(1, sizeof(*user));
    if (!user)
        return NULL;
    user->uid = account;
    list_insert_before(&rm->users, &user->link);
    return rm_user_reference(user);
}

struct rm_user *rm_user_reference(struct rm_user *user)
{
    user->references++;
    return user;
}

void rm_user_unreference(struct rm_user *user)
{
    if (!user || --user->references > 0)
        return;
    assert(user->objects == 0 && user->sessions == 0 && user->abandoned == 0 && user->answers == 0);
    list_remove(&user->link);
    free(user);
}

bool rm_user_is_idle(const struct rm_user *user)
{
    return user->references == 1;
}
