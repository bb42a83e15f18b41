/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/residency.h"

#include "rm/context-gap.h"
#include "rm/context-transfer.h"
#include "rm/object-lifecycle.h"
#include "rm/rc.h"
#include "rm/room.h"
#include "rm/transact.h"

/* The number of a format-one response code, without the handle, session or parameter that the code
 * refers to (Part 2, clause 6.6). */
#define RC_NUMBER_MASK 0x3F
#define RC_TPM_LIMIT   0x1000 /* codes of other layers start above */

void command_needs_begin(struct rm *rm, struct command_needs *needs)
{
    for (unsigned i = 0; i < needs->handle_count; i++) {
        if (!needs->objects[i])
            continue;
        if (!needs->objects[i]->pinned)
            eviction_note_use(&rm->object_eviction, &needs->objects[i]->eviction,
                              capacity_object_slots(rm), rm->clock);
        needs->objects[i]->pinned = true;
    }
    for (unsigned i = 0; i < needs->session_count; i++) {
        needs->sessions[i]->pinned = true;
        eviction_note_use(&rm->session_eviction, &needs->sessions[i]->eviction,
                          capacity_session_slots(rm), rm->clock);
    }
}

void command_needs_end(struct command_needs *needs)
{
    for (unsigned i = 0; i < needs->handle_count; i++) {
        if (needs->objects[i])
            needs->objects[i]->pinned = false;
    }
    for (unsigned i = 0; i < needs->session_count; i++)
        needs->sessions[i]->pinned = false;
}

/* Loads an object, and makes room for as long as the chip asks for room. */
static uint32_t bring_object(struct rm *rm, struct object *object)
{
    unsigned retries = room_retries(rm);
    uint32_t code;

    do {
        code = context_transfer_load_object(rm, object);
    } while (code != TPM2_RC_SUCCESS && retries-- > 0 && room_relieve(rm, &code));
    return code;
}

/* Has sessions leave until `stay` more can be loaded and the reserve is free all the same. */
static void make_session_room(struct rm *rm, uint32_t stay)
{
    while (rm->sessions_loaded + stay > capacity_session_slots(rm)
           && room_make_session(rm, TRACE_FOR_COMMAND) == TPM2_RC_SUCCESS)
        ;
}

uint32_t residency_bring_session(struct rm *rm, struct session *session)
{
    unsigned retries = room_retries(rm);
    uint32_t code;

    make_session_room(rm, 1);
    /* Room may have been made by a refresh of this very session, which can leave it loaded. */
    while (!session->loaded) {
        code = context_transfer_load_session(rm, session);
        if (code != TPM2_RC_SUCCESS && (retries-- == 0 || !room_relieve(rm, &code)))
            return code;
    }
    return TPM2_RC_SUCCESS;
}

/* Whether the code says that the context is not, or no longer, the chip's: after a reset, with
 * changed seeds, or with its hierarchy off. */
static bool is_dead_context(uint32_t code)
{
    uint32_t base = code & (TPM2_RC_FMT1 | RC_NUMBER_MASK);

    return code < RC_TPM_LIMIT
           && (base == TPM2_RC_INTEGRITY || base == TPM2_RC_HANDLE || base == TPM2_RC_SIZE
               || base == TPM2_RC_HIERARCHY);
}

/* The object of handle `i`. NULL when the handle is no object's, or when an earlier handle names
 * the same object. */
static struct object *object_at(const struct command_needs *needs, unsigned i)
{
    for (unsigned j = 0; j < i; j++) {
        if (needs->objects[j] == needs->objects[i])
            return NULL;
    }
    return needs->objects[i];
}

static unsigned count_loads(const struct command_needs *needs)
{
    unsigned loads = 0;

    for (unsigned i = 0; i < needs->handle_count; i++) {
        const struct object *object = object_at(needs, i);

        loads += object && object->physical == OBJECT_NOT_LOADED;
    }
    return loads;
}

static bool is_resident(const struct command_needs *needs)
{
    for (unsigned i = 0; i < needs->session_count; i++) {
        if (!needs->sessions[i]->loaded)
            return false;
    }
    return count_loads(needs) == 0;
}

/*
 * Has objects leave until `stay` more can be loaded or made and the reserve is free all the same,
 * and until the running command finds `scratch` slots beside them, for which it may use the
 * reserve.
 */
static void make_object_room(struct rm *rm, uint32_t stay, uint32_t scratch)
{
    while ((rm->objects_loaded + stay > capacity_object_slots(rm)
            || rm->objects_loaded + stay + scratch > rm->chip.object_slots)
           && room_make_object(rm, TRACE_FOR_COMMAND) == TPM2_RC_SUCCESS)
        ;
}

/* The command takes `over` slots of the reserve with objects that stay. As many of the objects that
 * it names have their contexts saved, so that they can leave after the command by a mere flush. A
 * sequence object is not saved: the command will change it. */
static void save_ahead(struct rm *rm, const struct command_needs *needs, uint32_t over)
{
    for (unsigned i = 0; i < needs->handle_count && over > 0; i++) {
        struct object *object = object_at(needs, i);

        if (!object || object->sequence)
            continue;
        if (blob_empty(&object->saved)
            && context_transfer_save_object(rm, object) != TPM2_RC_SUCCESS)
            return;
        over--;
    }
}

/* Loads the objects that the command names. An object whose context the chip disowns is lost, and
 * `needs` is empty then. */
static uint32_t require_objects(struct rm *rm, struct command_needs *needs)
{
    uint32_t stay = count_loads(needs) + needs->made_objects, code;

    make_object_room(rm, stay, needs->scratch_objects);
    if (rm->objects_loaded + stay > capacity_object_slots(rm))
        save_ahead(rm, needs, rm->objects_loaded + stay - capacity_object_slots(rm));
    for (unsigned i = 0; i < needs->handle_count; i++) {
        struct object *object = needs->objects[i];

        if (!object || object->physical != OBJECT_NOT_LOADED)
            continue;
        code = bring_object(rm, object);
        if (is_dead_context(code)) {
            command_needs_end(needs);
            *needs = (struct command_needs){0};
            object_lifecycle_lost(rm, object);
            return RM_RC_HANDLE(i);
        }
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    return TPM2_RC_SUCCESS;
}

uint32_t residency_bring_object(struct rm *rm, struct object *object, uint32_t dead)
{
    struct command_needs needs = {.handle_count = 1, .objects = {object}};
    uint32_t code;

    if (object->physical != OBJECT_NOT_LOADED)
        return TPM2_RC_SUCCESS;
    code = require_objects(rm, &needs);
    return code == RM_RC_HANDLE(0) ? dead : code;
}

static uint32_t require_sessions(struct rm *rm, struct command_needs *needs)
{
    uint32_t stay = needs->made_sessions, code;

    for (unsigned i = 0; i < needs->session_count; i++)
        stay += !needs->sessions[i]->loaded;
    make_session_room(rm, stay);
    for (unsigned i = 0; i < needs->session_count; i++) {
        struct session *session = needs->sessions[i];

        if (session->loaded)
            continue;
        code = residency_bring_session(rm, session);
        if (is_dead_context(code)) {
            code = needs->session_codes[i];
            command_needs_end(needs);
            *needs = (struct command_needs){0};
            session_apply(rm, session, SESSION_EVENT_ENDED);
            return code;
        }
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    return TPM2_RC_SUCCESS;
}

/* Makes room for a session that the command makes, among those that the chip tracks for the
 * manager. */
static uint32_t require_active_session(struct rm *rm, const struct command_needs *needs)
{
    uint32_t code;

    while (needs->made_sessions > 0 && rm->session_count >= capacity_active_sessions(rm)) {
        code = room_end_session(rm);
        if (code != TPM2_RC_SUCCESS)
            return code == RM_RC_FAILURE ? code : RM_RC_SESSION_HANDLES;
    }
    return TPM2_RC_SUCCESS;
}

uint32_t residency_require(struct rm *rm, struct command_needs *needs)
{
    uint32_t code;

    if (rm->condition == TPM_FAILURE_MODE && is_resident(needs))
        return TPM2_RC_SUCCESS;
    code = rm->condition == TPM_FAILURE_MODE ? rm_transact_ask_failed(rm) : TPM2_RC_SUCCESS;
    if (code == TPM2_RC_SUCCESS)
        code = require_active_session(rm, needs);
    if (code == TPM2_RC_SUCCESS)
        code = require_objects(rm, needs);
    if (code == TPM2_RC_SUCCESS)
        code = require_sessions(rm, needs);
    if (code != TPM2_RC_SUCCESS)
        return code;
    /* The reserve may have become larger meanwhile. */
    make_object_room(rm, needs->made_objects, needs->scratch_objects);
    make_session_room(rm, needs->made_sessions);
    return TPM2_RC_SUCCESS;
}

/* Saves an object that has a handle and no context; evicts any other object. */
static uint32_t step_out(struct rm *rm, struct object *object, enum trace_reason reason)
{
    if (blob_empty(&object->saved) && object->references > 0)
        return context_transfer_save_object(rm, object);
    return room_evict_object(rm, object, reason);
}

bool residency_settle(struct rm *rm)
{
    struct object *object;

    if (rm->objects_loaded <= capacity_object_slots(rm))
        return room_make_session(rm, TRACE_FOR_RESERVE) == TPM2_RC_SUCCESS;
    object = room_choose_clean_object(rm);
    if (!object)
        object = room_choose_object(rm);
    return object && step_out(rm, object, TRACE_FOR_RESERVE) == TPM2_RC_SUCCESS;
}

/* A loaded object without a context, or NULL. */
static struct object *find_unsaved(struct rm *rm)
{
    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);

        if (blob_empty(&object->saved))
            return object;
    }
    return NULL;
}

static enum rm_idle_result result_of(uint32_t code)
{
    if (code == TPM2_RC_SUCCESS)
        return RM_IDLE_MORE;
    return code == RM_RC_MEMORY ? RM_IDLE_NO_MEMORY : RM_IDLE_DONE;
}

static enum trace_reason idle_reason(enum rm_idle_goal goal)
{
    return goal == RM_IDLE_SLEEP ? TRACE_FOR_SLEEP : TRACE_FOR_IDLE;
}

/* One step of clean-up among the objects. */
static enum rm_idle_result idle_object(struct rm *rm, enum rm_idle_goal goal)
{
    struct object *object = room_choose_object(rm);

    if (object && (goal >= RM_IDLE_EMPTY || room_is_garbage(object)))
        return result_of(step_out(rm, object, idle_reason(goal)));
    object = goal == RM_IDLE_SAVE ? find_unsaved(rm) : NULL;
    return object ? result_of(context_transfer_save_object(rm, object)) : RM_IDLE_DONE;
}

/* One step of clean-up among the sessions. */
static enum rm_idle_result idle_session(struct rm *rm, enum rm_idle_goal goal)
{
    if (context_gap_refresh_is_due(rm)) {
        /* The session that is refreshed takes a slot meanwhile, which must not be one of the
         * reserve. */
        if (rm->sessions_loaded >= capacity_session_slots(rm)
            && room_make_session(rm, TRACE_FOR_REFRESH) == TPM2_RC_SUCCESS)
            return RM_IDLE_MORE;
        return result_of(context_gap_refresh(rm));
    }
    return goal >= RM_IDLE_EMPTY ? result_of(room_make_session(rm, idle_reason(goal)))
                                 : RM_IDLE_DONE;
}

enum rm_idle_result residency_idle(struct rm *rm, enum rm_idle_goal goal)
{
    struct session *doomed = room_find_doomed(rm);
    enum rm_idle_result of_object, of_session;

    if (doomed)
        return result_of(context_transfer_flush_session(rm, doomed));
    of_object = idle_object(rm, goal);
    if (of_object == RM_IDLE_MORE)
        return of_object;
    of_session = idle_session(rm, goal);
    return of_session == RM_IDLE_DONE ? of_object : of_session;
}
