/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients may send: one object for all who may send the same, as there are few policies and
 * may be thousands of connections.
 */
#pragma once

#include "base/list.h"
#include "rm/policy.h"

struct rm;

struct shared_policy {
    struct list link; /* rm->policies */
    unsigned references;
    struct policy policy;
};

/* The one that is equal to `policy`, made where there is none yet, with one more reference, which
 * is the caller's. NULL without memory. */
struct shared_policy *shared_policy_get(struct rm *rm, const struct policy *policy);

/* One reference less; frees it with the last one. NULL is fine. */
void shared_policy_unreference(struct shared_policy *shared);
