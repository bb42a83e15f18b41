/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/shared-policy.h"

#include "rm/state.h"

#include <stdlib.h>

struct shared_policy *shared_policy_get(struct rm *rm, const struct policy *policy)
{
    struct shared_policy *shared;

    list_for_each (link, &rm->policies) {
        shared = list_entry(link, struct shared_policy, link);
        if (policy_is_same(&shared->policy, policy)) {
            shared->references++;
            return shared;
        }
    }
    shared = calloc(1, sizeof(*shared));
    if (!shared)
        return NULL;
    shared->references = 1;
    shared->policy = *policy;
    list_insert_before(&rm->policies, &shared->link);
    return shared;
}

void shared_policy_unreference(struct shared_policy *shared)
{
    if (!shared || --shared->references > 0)
        return;
    list_remove(&shared->link);
    free(shared);
}
