/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl bridge`: a way to tabrmd for programs that know no TCTI and speak to a simulator. */
#pragma once

#include "subcommand.h"

extern const struct subcommand bridge_subcommand;
