/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chip's slots as a cache of what the clients hold. Nothing leaves a slot before the slot is
 * needed, and nothing is loaded before a command names it.
 *
 * The slots are counted, so that room is made before the chip must refuse; but the chip has the
 * last word, because persistent objects, commands at work and other users of it take slots too.
 */
#pragma once

#include "rm/state.h"

/* What the running command needs in the chip. It is pinned until use_end(). */
struct use {
    struct object *objects[COMMAND_MAX_HANDLES]; /* one per handle; NULL for other handles */
    struct session *sessions[COMMAND_MAX_HANDLES + COMMAND_MAX_SESSIONS];
    uint32_t session_codes[COMMAND_MAX_HANDLES + COMMAND_MAX_SESSIONS]; /* when one is dead */
    unsigned session_count;
    unsigned extra_objects;  /* slots beside those of `objects` */
    unsigned extra_sessions; /* session slots beside those of `sessions` */
};

void use_begin(struct rm *rm, struct use *use);
void use_end(struct use *use);

/* Brings all that `use` names into the chip and makes the extra room, as far as we can tell.
 * Returns 0 or the response code for the client; then nothing is lost and nothing is spoilt. An
 * object or a session whose context the chip disowns is lost, and the code names its position. */
uint32_t residency_require(struct rm *rm, struct use *use);

/* Loads a session that its owner may use, making room for as long as the chip asks for it. */
uint32_t residency_bring_session(struct rm *rm, struct session *session);

/* Makes the room that the chip asked for with *code (0x901 to 0x906). False when that asks for
 * nothing, or there is nothing to give; else the command is worth sending again. When the TPM was
 * lost on the way, or what could go found no memory to go to, *code says so from then on. */
bool residency_relieve(struct rm *rm, uint32_t *code);

/* How often one command may be refused for room before its refusal is handed on: once for each
 * thing that could leave. */
unsigned residency_patience(const struct rm *rm);

/* One step of clean-up, at most one chip command or one refresh; see rm_idle(). */
bool residency_idle(struct rm *rm, bool release);
