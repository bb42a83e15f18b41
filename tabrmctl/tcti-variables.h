/* SPDX-License-Identifier: BSD-2-Clause */
/* The variables of the environment by which programs are told their TCTI. Each program of the TPM2
 * Software Stack has one of its own. */
#pragma once

/* Ended by NULL. */
extern const char *const tcti_variables[];
