/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl stats`: what tabrmd counts. */
#pragma once

#include "subcommand.h"

extern const struct subcommand stats_subcommand;
