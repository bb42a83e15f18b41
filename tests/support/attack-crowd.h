/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many connections to the daemon's socket that send the same over and over, and read what comes. A
 * crowd is one thread's, and needs no memory but its own, so that a child after fork() can have it.
 */
#pragma once

#include "attack-bytes.h"

#include <poll.h>
#include <stdbool.h>

#define ATTACK_CROWD 16 /* connections */

struct attack_crowd {
    struct attack_crowd_member {
        uint8_t bytes[ATTACK_BYTES_MAX];
        size_t size, at; /* `at`: how much of them has been sent */
    } members[ATTACK_CROWD];
    struct pollfd handles[ATTACK_CROWD];
};

/* Has each connection send what `write` writes for it. */
void attack_crowd_init(struct attack_crowd *crowd, attack_bytes_fn *write);

/* All connect; where one cannot, all are closed, and the result is false. */
bool attack_crowd_connect(struct attack_crowd *crowd, const char *socket);

/* Waits up to `ms` milliseconds, -1 for ever, until the daemon takes or sends something, and does
 * what can be done. False when it does neither, or has hung up on one. */
bool attack_crowd_turn(struct attack_crowd *crowd, int ms);

/* All send what they have once, and close after `ms` milliseconds without having read. */
void attack_crowd_hang_up(struct attack_crowd *crowd, unsigned ms);

void attack_crowd_close(struct attack_crowd *crowd);
