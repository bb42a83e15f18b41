/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl trace`: clients' commands, live. */
#pragma once

#include "subcommand.h"

extern const struct subcommand trace_subcommand;
