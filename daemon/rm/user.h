/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The objects, sessions and kept answers of all connections of one user together, so that nobody
 * gets more by more connections. A user is known for as long as a client, a session or a kept
 * answer is charged to it.
 */
#pragma once

#include "base/list.h"

#include <stdint.h>

struct rm_user {
    struct list link; /* rm->users */
    uint32_t uid;
    uint32_t references;
    uint32_t objects;         /* virtual handles of all its clients */
    uint32_t sessions;        /* that its clients own */
    uint32_t abandoned;       /* saved sessions of its closed connections */
    uint32_t answers;         /* that are kept (answer-cache.h) */
    uint64_t denied_commands; /* that it may not send (permission.h) */
};
