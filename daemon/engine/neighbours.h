/* SPDX-License-Identifier: BSD-2-Clause */
/* Who uses the chip beside the manager, as far as that can be told. */
#pragma once

#include "engine/reserve.h"
#include "tpm/kernel.h"

struct neighbours {
    struct kernel_tpm tpm;
    struct reserve_view view;
};

/* Learns who there may be once the TPM is open. `sys` is where sysfs is. */
void neighbours_meet(struct neighbours *neighbours, const char *sys);
