/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The context gap (TPM 2.0 Library Part 1, "Session Context Gap"): the chip refuses to save a
 * session when the oldest saved session lies too far back in its count of saved contexts. The
 * remedy is to load the oldest session and to save it anew, which moves it to the end of the count.
 * The bytes that a client holds for the session stay good: they are compared with `held`, and the
 * chip gets `saved`.
 */
#pragma once

#include "rm/state.h"

/* Loads and saves the session whose saved context is the oldest; a session that nobody owns is
 * flushed. A TPM_RC; TPM_RC_CONTEXT_GAP when there is no such session. */
uint32_t context_gap_refresh(struct rm *rm);

/* The oldest saved session has fallen behind by half of the gap. */
bool context_gap_refresh_is_due(struct rm *rm);
