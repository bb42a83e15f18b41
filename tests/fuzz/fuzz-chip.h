/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chip below a fuzz target that means its clients no harm: a synthetic one, which is quick,
 * or libtpms, which is a whole TPM. A program links one of the two implementations.
 */
#pragma once

#include "rm/tpm.h"

#include <stdbool.h>
#include <stdint.h>

/* A chip that was just powered on. The bits of `kind` choose between sizes of the synthetic chip
 * (see synth-chip.h); libtpms has one size only. */
struct rm_tpm *fuzz_chip_new(uint8_t kind);
void fuzz_chip_free(struct rm_tpm *tpm);

/* Power off and on again. */
void fuzz_chip_power_cycle(struct rm_tpm *tpm);
