/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration read again while the daemon runs, with the command line that it was started
 * with: what can change is taken over, what cannot is named in the log, and what is wrong leaves
 * all as it is. Main thread.
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
