/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room in the chip's slots: who leaves, and what is done when the chip refuses a command for want
 * of room.
 */
#pragma once

#include "rm/state.h"

/* Nobody can name the object again, by handle or by context. */
bool room_is_garbage(const struct object *object);

/* The loaded object, or session, that should leave first of those that the running command does
 * not name; NULL when there is none. Garbage and doomed sessions come before all others. */
struct object *room_choose_object(struct rm *rm);
struct session *room_choose_session(struct rm *rm);

/* The same among the objects that leave by a mere flush. */
struct object *room_choose_clean_object(struct rm *rm);

/* Saves an object where that is needed, and flushes it; saves a session, or flushes a doomed one.
 * A TPM_RC; RM_RC_MEMORY without memory for the context. */
uint32_t room_evict_object(struct rm *rm, struct object *object, enum trace_reason reason);
uint32_t room_evict_session(struct rm *rm, struct session *session, enum trace_reason reason);

/* Evicts one object, or one session. A TPM_RC as above, and where there is none to evict, the code
 * by which the chip asks for one: TPM_RC_OBJECT_MEMORY, TPM_RC_SESSION_MEMORY. */
uint32_t room_make_object(struct rm *rm, enum trace_reason reason);
uint32_t room_make_session(struct rm *rm, enum trace_reason reason);

/* Gives up one session of those that the chip tracks: a doomed one, else an abandoned one (see
 * session_to_give_up()). A session that a client owns is never given up. A TPM_RC,
 * TPM_RC_SESSION_HANDLES when there is none. */
uint32_t room_end_session(struct rm *rm);

/* A doomed session, in a slot or saved, or NULL. */
struct session *room_find_doomed(struct rm *rm);

/* Makes the room that the chip asked for with *code (0x901 to 0x906). False when that asks for
 * nothing, or there is nothing to give; else the command is worth sending again. When the TPM gave
 * no answer on the way, or there was no memory for what could go, *code says so from then on:
 * RM_RC_FAILURE, RM_RC_MEMORY. */
bool room_relieve(struct rm *rm, uint32_t *code);

/* How often one command may be refused for room before its refusal is handed on: once for each
 * thing that could leave. */
unsigned room_retries(const struct rm *rm);
