/* SPDX-License-Identifier: BSD-2-Clause */
/* A message to a service manager (sd_notify(3)), with the descriptors that came with it. */
#pragma once

#include "keeper-store.h"

#include <sys/types.h>

struct keeper_notice {
    char text[1024];
    int fds[16];
    unsigned count;
    pid_t from; /* as the kernel says; 0: it does not */
};

/* The next message of a datagram socket with SO_PASSCRED, whose descriptors are the caller's then.
 * False when there is none. */
bool keeper_notice_take(struct keeper_notice *notice, int fd);

/* Closes its descriptors. */
void keeper_notice_drop(struct keeper_notice *notice);

/* Stores or removes what it says, and takes its descriptors over. Whether it says READY=1. */
bool keeper_notice_follow(struct keeper_notice *notice, struct keeper_store *store);
