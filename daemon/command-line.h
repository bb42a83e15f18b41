/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of a command line: --NAME=VALUE, --NAME VALUE, -L VALUE, and flags, which may stand
 * together behind one dash, and of which --NAME=no takes back what a file says. Main thread.
 */
#pragma once

#include "findings.h"

/* Reads a command line; argv[0] is the program. False with a finding when it means nothing. */
bool command_line_read(struct settings *settings, struct findings *findings, int argc,
                       char *const *argv);

/* What --help prints; to be freed with g_free(). */
char *command_line_help(void);
