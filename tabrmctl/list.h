/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl list`: who uses the TPM through tabrmd. */
#pragma once

#include "subcommand.h"

extern const struct subcommand list_subcommand;
