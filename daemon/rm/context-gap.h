/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The context gap (TPM 2.0 Library Part 1, "Session Context Gap"): the chip refuses to save a
 * session when the oldest session that is saved lies too far back in its count of saved contexts.
 * The remedy is to load the oldest and save it anew, which moves it to the end of the count. What
 * a client holds for it stays good: its bytes are compared with `held`, and `saved` is what the
 * chip gets.
 */
#pragma once

#include "rm/state.h"

/* Loads and saves the session whose saved context is the oldest; one that nobody owns is flushed.
 * A TPM_RC, TPM_RC_CONTEXT_GAP when there is none. */
uint32_t context_gap_refresh(struct rm *rm);

/* The oldest saved session has fallen behind by half of the gap. */
bool context_gap_refresh_is_due(struct rm *rm);
