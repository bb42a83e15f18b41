/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The objects, sessions and kept answers of all connections of one user together, so that nobody
 * gets more by more connections. A user is known for as long as a client, a session or a kept
 * answer is charged to it.
 */
#pragma once

#include "base/list.h"

#include <stdint.h>

struct rm;

struct rm_user {
    struct list link; /* rm->users */
    uint32_t uid;
    uint32_t references;
    uint32_t objects;   /* virtual handles of all its clients */
    uint32_t sessions;  /* that its clients own */
    uint32_t abandoned; /* saved sessions of its closed connections */
    uint32_t answers;   /* that are kept (answer-cache.h) */
};

/* The user, which gets one more reference; NULL without memory. */
struct rm_user *user_get(struct rm *rm, uint32_t uid);

/* Takes one more reference to a user; gives it back. NULL is fine. */
struct rm_user *user_reference(struct rm_user *user);
void user_unreference(struct rm_user *user);
