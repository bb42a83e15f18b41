/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the configuration again while the daemon runs, with the command line that the daemon was
 * started with. Options that can change are taken over, options that cannot are named in the log. A
 * configuration that is wrong changes nothing. Main thread.
 */
#pragma once

#include "options.h"

/* Where the options came from; all of it is borrowed. */
struct reload_source {
    int argc;
    char *const *argv;
    const struct conf_places *places;
};

/* Brings `options` up to date, and the log's level; the rest is to be put in force by the caller.
 * False when something is wrong, and nothing was changed. */
bool reload_options(struct options *options, const struct reload_source *source);
