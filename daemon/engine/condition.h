/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine is at, and what is wrong with the TPM: told to those above when it changes, and a
 * trouble once in CONDITION_PAUSE_MS. `now` is clock_now(). Engine thread. */
#pragma once

#include "engine/engine-events.h"

#define CONDITION_PAUSE_MS 60000

/* All zero at first: the engine starts. */
struct condition {
    enum engine_state state; /* that was told */
    enum trouble trouble;    /* that was told last */
    bool told[TROUBLES];
    int64_t told_at[TROUBLES];
};

/* The engine is at this; a TPM that it lost is a trouble. */
void condition_set_state(struct condition *condition, const struct engine_events *events,
                         enum engine_state state, int64_t now);

/* Something is wrong. */
void condition_trouble(struct condition *condition, const struct engine_events *events,
                       enum trouble trouble, int64_t now);

/* Fills in the last trouble. */
void condition_get_status(const struct condition *condition, struct engine_status *status,
                          int64_t now);
