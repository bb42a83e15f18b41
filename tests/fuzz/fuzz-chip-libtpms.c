/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz-chip.h"
#include "libtpms-chip.h"

struct rm_tpm *fuzz_chip_new(uint8_t kind)
{
    (void)kind;
    return &libtpms_chip_new()->tpm;
}

void fuzz_chip_free(struct rm_tpm *tpm)
{
    libtpms_chip_free((struct libtpms_chip *)tpm);
}

void fuzz_chip_power_cycle(struct rm_tpm *tpm)
{
    libtpms_chip_power_cycle((struct libtpms_chip *)tpm);
}
