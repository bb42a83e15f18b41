/* SPDX-License-Identifier: BSD-2-Clause */
/* What the options are to the engine. Main thread. */
#pragma once

#include "engine/engine.h"
#include "options.h"
#include "sockets.h"

/* Who is a member, and how users are put on accounts. */
struct accounts_config engine_options_accounts(const struct options *options,
                                               const struct sockets *sockets);

/* What tells this daemon from others of the same TPM; to be freed with g_free(). */
char *engine_options_name(const struct options *options, const char *socket_path);

/* All that the options alone say, with the next; borrows from them. */
void engine_options_fill(const struct options *options, struct engine_config *config);

/* What can change while the engine runs; borrows from the options. */
void engine_options_fill_live(const struct options *options, struct engine_config *config);
