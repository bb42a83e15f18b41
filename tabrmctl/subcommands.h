/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of subcommands. */
#pragma once

#include "subcommand.h"

/* The subcommand of this name, or NULL. */
const struct subcommand *subcommands_find(const char *name);

/* The name that a person most likely meant by this one. */
const char *subcommands_nearest(const char *name);

/* A line for each: its name, arguments and help. The caller frees it with g_free(). */
char *subcommands_help(void);
