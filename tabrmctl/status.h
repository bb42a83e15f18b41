/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl status`: one screen that says how tabrmd and its TPM are. */
#pragma once

#include "subcommand.h"

extern const struct subcommand status_subcommand;
