/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks a daemon for parts of a model. */
#pragma once

#include "manager-client.h"
#include "model.h"

/*
 * A model with `parts` (enum model_part), which the caller frees with model_free(). What the daemon
 * tells to others only is in model->denied, and what it does not know in model->unknown, but for
 * the parts of `needed`; and what needs the chip (MODEL_LOCKOUT) is left out where that does not
 * answer soon. NULL with *status for tabrmctl otherwise, which was said.
 */
struct model *model_fetch(struct manager_client *client, unsigned parts, unsigned needed,
                          int *status);
