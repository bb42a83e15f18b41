/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl log-level`: how much tabrmd logs. */
#pragma once

#include "subcommand.h"

extern const struct subcommand log_level_subcommand;
