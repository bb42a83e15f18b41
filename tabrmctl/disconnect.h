/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl disconnect`: ends a connection. */
#pragma once

#include "subcommand.h"

extern const struct subcommand disconnect_subcommand;
