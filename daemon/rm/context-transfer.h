/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The three moves of a context: out of the chip, into the chip, and away. Each is one chip
 * command when all goes well, gives the TPM_RC of a refusal, and changes our state only when the
 * chip has done its part. None of them makes room; residency.h does.
 */
#pragma once

#include "rm/state.h"

/* Saves a loaded object; it stays loaded, and its context is `saved` from then on. */
uint32_t context_transfer_save_object(struct rm *rm, struct object *object);

/* Loads an object from `saved`. An immutable object keeps its context, a sequence object loses it.
 */
uint32_t context_transfer_load_object(struct rm *rm, struct object *object);

/* Takes a loaded object out of its slot. An object without a valid context is lost by that. */
uint32_t context_transfer_flush_object(struct rm *rm, struct object *object);

/* Saves a loaded session, which leaves its slot by that. */
uint32_t context_transfer_save_session(struct rm *rm, struct session *session);

/* Loads a session from `saved`. */
uint32_t context_transfer_load_session(struct rm *rm, struct session *session);

/* Flushes a session, loaded or saved, and frees it. */
uint32_t context_transfer_flush_session(struct rm *rm, struct session *session);
