/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl top`: who uses the TPM, live. */
#pragma once

#include "subcommand.h"

extern const struct subcommand top_subcommand;
