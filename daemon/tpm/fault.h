/* SPDX-License-Identifier: BSD-2-Clause */
/* Why there is no TPM to work with: the cause as a kind, and as a sentence that names the thing,
 * the cause and the remedy. */
#pragma once

#include "rm/chip.h"

enum tpm_fault {
    TPM_FAULT_ABSENT,    /* no such device, nobody listens */
    TPM_FAULT_GONE,      /* the device was there and is not any more */
    TPM_FAULT_DISABLED,  /* the kernel has ended all use of it */
    TPM_FAULT_BUSY,      /* another program has it */
    TPM_FAULT_DENIED,    /* no right to it */
    TPM_FAULT_VERSION12, /* a TPM 1.2 */
    TPM_FAULT_REFUSED,   /* the TPM answers, but does not work */
    TPM_FAULT_CONF,      /* the configuration string names nothing that can be a TPM */
    TPM_FAULT_RESOURCES, /* memory, descriptors or threads are out */
};

#define TPM_FAULT_TEXT 384 /* bytes of a sentence, its final 0 included */

/* False for "device:PATH" where PATH is something, but no character device. The device TCTI would
 * write TPM commands into it. */
bool tpm_fault_may_open(const char *conf);

/* Why tcti_open(conf) gave `rc`. For "device:PATH" the node itself is looked at. */
enum tpm_fault tpm_fault_open(const char *conf, uint32_t rc, char text[TPM_FAULT_TEXT]);

/* Why a chip_ function gave `error` (not CHIP_OK) with `detail`. */
enum tpm_fault tpm_fault_chip(const char *conf, enum chip_error error, int64_t detail,
                              char text[TPM_FAULT_TEXT]);

/* True for "device:PATH" where there is no device PATH now. */
bool tpm_fault_device_gone(const char *conf, char text[TPM_FAULT_TEXT]);

/* True for "device:PATH" where PATH is a TPM that the kernel has disabled; see kernel_disabled().
 */
bool tpm_fault_disabled(const char *conf, const char *sys, char text[TPM_FAULT_TEXT]);

/* There is no memory to start with. */
enum tpm_fault tpm_fault_memory(char text[TPM_FAULT_TEXT]);
