/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz-chip.h"
#include "synth-chip.h"

struct rm_tpm *fuzz_chip_new(uint8_t kind)
{
    return &synth_chip_new(kind)->tpm;
}

void fuzz_chip_free(struct rm_tpm *tpm)
{
    synth_chip_free((struct synth_chip *)tpm);
}

void fuzz_chip_power_cycle(struct rm_tpm *tpm)
{
    synth_chip_power_cycle((struct synth_chip *)tpm);
}
