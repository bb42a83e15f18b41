/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chip's slots as a cache of what the clients hold. Nothing leaves a slot before the slot is
 * needed, and nothing is loaded before a command names it. The slots are counted, so that room is
 * made before the chip must refuse. The chip has the last word, because persistent objects, running
 * commands and other users of the chip take slots too.
 *
 * Between commands a reserve of slots is free for the chip's other users. So room for what a
 * command loads and makes is made before the command. Where the command by itself needs slots of
 * the reserve, the contexts of objects that have to leave after the command are saved before it:
 * the reserve is free again after a mere flush.
 */
#pragma once

#include "rm/capacity.h"
#include "rm/state.h"

/* What the running command needs in the chip. It is pinned until command_needs_end(). */
struct command_needs {
    unsigned handle_count;                       /* of the command */
    struct object *objects[COMMAND_MAX_HANDLES]; /* one per handle; NULL for other handles */
    struct session *sessions[COMMAND_MAX_HANDLES + COMMAND_MAX_SESSIONS];
    uint32_t session_codes[COMMAND_MAX_HANDLES + COMMAND_MAX_SESSIONS]; /* when one is dead */
    unsigned session_count;
    unsigned made_objects;    /* objects that the command makes, beside `objects` */
    unsigned made_sessions;   /* sessions that it makes, beside `sessions` */
    unsigned scratch_objects; /* object slots that it takes for as long as it runs */
};

void command_needs_begin(struct rm *rm, struct command_needs *needs);
void command_needs_end(struct command_needs *needs);

/* Brings all that `needs` names into the chip and makes the extra room, as far as we can tell.
 * Returns 0 or the response code for the client; then nothing is lost and nothing is spoilt. An
 * object or a session whose context the chip disowns is lost, and the code names its position. */
uint32_t residency_require(struct rm *rm, struct command_needs *needs);

/* Loads an object that is not in the chip; makes the room before, and for as long as the chip asks
 * for it. One whose context the chip disowns is lost, and `dead` is returned. */
uint32_t residency_bring_object(struct rm *rm, struct object *object, uint32_t dead);

/* Loads a session that its owner may use; makes the room before, and for as long as the chip asks
 * for it. */
uint32_t residency_bring_session(struct rm *rm, struct session *session);

/* True when the reserve is free, by our own count. */
static inline bool residency_has_reserve(const struct rm *rm)
{
    return rm->objects_loaded <= capacity_object_slots(rm)
           && rm->sessions_loaded <= capacity_session_slots(rm);
}

/* One step towards a free reserve; see rm_settle(). */
bool residency_settle(struct rm *rm);

/* One step of clean-up; see rm_idle(). */
enum rm_idle_result residency_idle(struct rm *rm, enum rm_idle_goal goal);
