/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room in the chip's slots: which object or session leaves, and what is done when the chip refuses
 * a command for want of room.
 */
#pragma once

#include "rm/state.h"

/* Nobody can name the object again, by handle or by context. */
bool room_is_garbage(const struct object *object);

/* The loaded object, or session, that should leave first of those that the running command does
 * not name; NULL when there is none. Garbage and doomed sessions come before all others. */
struct object *room_choose_object(struct rm *rm);
struct session *room_choose_session(struct rm *rm);

/* The same among the clean objects. */
struct object *room_choose_clean_object(struct rm *rm);

/* Saves an object that has no valid context, and flushes the object; saves a session, or flushes a
 * doomed session. A TPM_RC; RM_RC_MEMORY without memory for the context. */
uint32_t room_evict_object(struct rm *rm, struct object *object, enum trace_reason reason);
uint32_t room_evict_session(struct rm *rm, struct session *session, enum trace_reason reason);

/* Evicts one object, or one session. A TPM_RC as above; when there is nothing to evict, the code by
 * which the chip asks for the room: TPM_RC_OBJECT_MEMORY, TPM_RC_SESSION_MEMORY. */
uint32_t room_make_object(struct rm *rm, enum trace_reason reason);
uint32_t room_make_session(struct rm *rm, enum trace_reason reason);

/* Gives up one session of those that the chip tracks: a doomed session, else an abandoned one (see
 * session_to_give_up()). A session that a client owns is never given up. A TPM_RC;
 * TPM_RC_SESSION_HANDLES when there is no such session. */
uint32_t room_end_session(struct rm *rm);

/* A doomed session, in a slot or saved, or NULL. */
struct session *room_find_doomed(struct rm *rm);

/* Makes the room that the chip asked for with *code (0x901 to 0x906), so that the command is worth
 * sending again. False when the code asks for no room, or when there is nothing to evict. *code
 * becomes RM_RC_FAILURE when the TPM gave no answer meanwhile, RM_RC_MEMORY when there was no
 * memory for a context. */
bool room_relieve(struct rm *rm, uint32_t *code);

/* How often one command may be refused for want of room before the client gets the refusal: once
 * for each object and session that could leave, and once more. */
unsigned room_retries(const struct rm *rm);
