/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl flush`: empties the TPM of what is not in use. */
#pragma once

#include "subcommand.h"

extern const struct subcommand flush_subcommand;
