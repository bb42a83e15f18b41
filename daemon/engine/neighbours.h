/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses the chip beside the manager, as far as that can be told: what sysfs says of the kernel,
 * and, by inotify, who has the kernel's resource manager /dev/tpmrmN open. The engine's thread.
 */
#pragma once

#include "engine/openers.h"
#include "engine/reserve.h"
#include "tpm/kernel.h"

#define NEIGHBOURS_DEV "/dev"

struct neighbours {
    const char *sys, *dev; /* borrowed */
    struct kernel_tpm tpm;
    bool shared;        /* `tpm` is the one that is open */
    int fd;             /* readable when something was seen; -1 where there is nothing to see */
    int device, folder; /* watches of /dev/tpmrmN, and of /dev, where the node may be replaced */
    int watch_error;    /* errno: why it cannot be seen who has the device open */
    struct openers openers;
};

/* `sys` and `dev` are where sysfs and the device nodes are; they are borrowed. */
void neighbours_init(struct neighbours *neighbours, const char *sys, const char *dev);

/* Learns who there may be, once the TPM is open; closes what was watched before. */
void neighbours_meet(struct neighbours *neighbours, int64_t now);

/* Takes in what was seen since the last time; does not wait. */
void neighbours_look(struct neighbours *neighbours, int64_t now);

/* Nothing more can be seen, for this errno. */
void neighbours_lose(struct neighbours *neighbours, int error);

/* What is known now. */
struct reserve_view neighbours_view(const struct neighbours *neighbours, int64_t now);

/* Closes what is watched. */
void neighbours_leave(struct neighbours *neighbours);
