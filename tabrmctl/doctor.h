/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl doctor`: what keeps programs from using the TPM, and what mends it. */
#pragma once

#include "subcommand.h"

extern const struct subcommand doctor_subcommand;
