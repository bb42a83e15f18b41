/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel does itself with a TPM that it drives, as sysfs tells. Others use the chip
 * through the kernel then: the kernel for itself, and programs by its resource manager /dev/tpmrmN.
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
 * The kernel's TPM whose /dev/tpmN this process has open, in *tpm; false when it has none. `sys` is
 * where sysfs is. What cannot be found out is taken for true, with a number of -1 where not even
 * the descriptors of the process can be listed.
 */
bool kernel_find(struct kernel_tpm *tpm, const char *sys);

/* True when the device node `node` is there, and is one of /dev/tpmN, and the kernel has ended all
 * use of that TPM. Asks the TPM for a PCR if not. */
bool kernel_disabled(const char *sys, const char *node);
