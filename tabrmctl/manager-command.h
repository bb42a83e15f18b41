/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands that speak to the manager interface have in common. */
#pragma once

#include "model.h"
#include "place.h"
#include "subcommand.h"

#include <gio/gio.h>

/* False where there are arguments, which was said; for a subcommand that has none. */
bool manager_command_bare(const char *name, int argc, char **argv);

/* Asks for a model, as model_fetch() does. Gives EX_OK and *model, or a status for tabrmctl, and
 * has said why. */
int manager_command_ask(const struct place_options *options, unsigned parts, unsigned needed,
                        struct model **model);

/* Calls a method that steers the daemon, with `arguments` as manager_client_call() has them; `what`
 * is to be done, as in "cannot flush". Prints `done`, or {"done": true}. Gives a status for
 * tabrmctl. */
int manager_command_steer(const struct globals *globals, const struct place_options *options,
                          const char *method, GVariant *arguments, const char *what,
                          const char *done);
