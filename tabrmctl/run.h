/* SPDX-License-Identifier: BSD-2-Clause */
/* `tabrmctl run`: starts a program that is to use tabrmd. */
#pragma once

#include "subcommand.h"

extern const struct subcommand run_subcommand;
