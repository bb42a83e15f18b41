/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chip's users beside the manager, as far as they can be seen: sysfs tells of the kernel, and
 * inotify of programs that have the kernel's resource manager /dev/tpmrmN open. The engine's
 * thread.
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

/* Looks for possible users, once the TPM is open; ends former watches. */
void neighbours_meet(struct neighbours *neighbours, int64_t now);

/* Reads the events since the last time; does not wait. */
void neighbours_look(struct neighbours *neighbours, int64_t now);

/* The device cannot be watched any more, for this errno. */
void neighbours_lose(struct neighbours *neighbours, int error);

/* What is known now. */
struct reserve_view neighbours_view(const struct neighbours *neighbours, int64_t now);

/* Closes what is watched. */
void neighbours_leave(struct neighbours *neighbours);
