/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sysfs tells of a TPM that the kernel drives. Such a chip has other users: the kernel itself,
 * and programs on the kernel's resource manager /dev/tpmrmN.
 */
#pragma once

#include <stdbool.h>

#define KERNEL_SYS "/sys"

struct kernel_tpm {
    int number;          /* N of /dev/tpmN; -1: none or unknown */
    bool has_manager;    /* there is a /dev/tpmrmN, though perhaps not in this process's /dev */
    bool keeps_sessions; /* it loads a key and a session of its own for what it asks of the chip */
    bool trusted_keys;   /* it loads keys of its own under a persistent parent */
};

/*
 * The kernel's TPM whose /dev/tpmN this process has open, in *tpm; false when it has none open.
 * `sys` is where sysfs is. A property that cannot be found out is taken for true; `number` is -1
 * where the descriptors of the process cannot be listed.
 */
bool kernel_find(struct kernel_tpm *tpm, const char *sys);

/* True when the device node `node` is there, is one of /dev/tpmN, and the kernel has ended all use
 * of that TPM. If the kernel has not, the TPM is asked for a PCR. */
bool kernel_disabled(const char *sys, const char *node);
