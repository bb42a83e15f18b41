/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/residency.h"

#include "rm/gap.h"
#include "rm/presence.h"
#include "rm/rc.h"
#include "rm/swap.h"
#include "rm/transact.h"

/* Of a format-one response code: the number, without what it refers to (Part 2, clause 6.6). */
#define RC_NUMBER_MASK 0x3F
#define RC_TPM_LIMIT   0x1000 /* codes of other layers start above */

void use_begin(struct rm *rm, struct use *use)
{
    for (unsigned i = 0; i < COMMAND_MAX_HANDLES; i++) {
        if (!use->objects[i])
            continue;
        if (!use->objects[i]->pinned)
            eviction_note_use(rm, use->objects[i]);
        use->objects[i]->pinned = true;
    }
    for (unsigned i = 0; i < use->session_count; i++) {
        use->sessions[i]->pinned = true;
        use->sessions[i]->last_use = rm->clock;
    }
}

void use_end(struct use *use)
{
    for (unsigned i = 0; i < COMMAND_MAX_HANDLES; i++) {
        if (use->objects[i])
            use->objects[i]->pinned = false;
    }
    for (unsigned i = 0; i < use->session_count; i++)
        use->sessions[i]->pinned = false;
}

/* Nobody can name it again, by handle or by context. */
static bool is_garbage(const struct object *object)
{
    return object->references == 0 && blob_empty(&object->saved);
}

/* Saves the object where that is needed, and flushes it. */
static uint32_t evict(struct rm *rm, struct object *object)
{
    uint32_t code;

    if (blob_empty(&object->saved) && object->references > 0) {
        code = swap_save_object(rm, object);
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    code = swap_flush_object(rm, object);
    if (code == TPM2_RC_SUCCESS && object->references == 0)
        object_free(rm, object);
    return code;
}

static bool evict_object(struct rm *rm)
{
    struct object *object = eviction_choose(rm);

    return object && evict(rm, object) == TPM2_RC_SUCCESS;
}

/* Saves a session out of its slot; one that a client saved and that only a refresh left loaded
 * keeps its state. */
static uint32_t evict_one_session(struct rm *rm, struct session *session)
{
    uint32_t code = swap_save_session(rm, session);

    if (code == TPM2_RC_CONTEXT_GAP && gap_refresh(rm))
        code = swap_save_session(rm, session);
    if (code == TPM2_RC_SUCCESS && session_can(session, SESSION_EVENT_EVICT))
        session_apply(rm, session, SESSION_EVENT_EVICT);
    return code;
}

/* The loaded session that nobody owns, else the one that was used longest ago. */
static struct session *coldest_session(struct rm *rm)
{
    struct session *coldest = NULL;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (!session->loaded || session->pinned)
            continue;
        if (session->state == SESSION_DOOMED)
            return session;
        if (!coldest || session->last_use < coldest->last_use)
            coldest = session;
    }
    return coldest;
}

static bool evict_session(struct rm *rm)
{
    struct session *session = coldest_session(rm);

    if (!session)
        return false;
    if (session->state == SESSION_DOOMED)
        return swap_flush_session(rm, session) == TPM2_RC_SUCCESS;
    return evict_one_session(rm, session) == TPM2_RC_SUCCESS;
}

static struct session *find_doomed(struct rm *rm)
{
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session->state == SESSION_DOOMED)
            return session;
    }
    return NULL;
}

/* The chip is out of session handles: what nobody owns goes first, then an abandoned session. One
 * that a client owns never goes. */
static bool end_a_session(struct rm *rm)
{
    struct session *session = find_doomed(rm);

    if (!session) {
        session = session_to_give_up(rm, rm->requester);
        if (!session)
            return false;
        session_apply(rm, session, SESSION_EVENT_GIVE_UP);
    }
    return swap_flush_session(rm, session) == TPM2_RC_SUCCESS;
}

static bool make_room(struct rm *rm, uint32_t code)
{
    switch (code) {
    case TPM2_RC_CONTEXT_GAP:
        return gap_refresh(rm);
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
        return evict_object(rm);
    case TPM2_RC_SESSION_MEMORY:
        return evict_session(rm);
    case TPM2_RC_MEMORY:
        return evict_object(rm) || evict_session(rm);
    case TPM2_RC_SESSION_HANDLES:
        return end_a_session(rm);
    default:
        return false;
    }
}

bool residency_relieve(struct rm *rm, uint32_t *code)
{
    if (make_room(rm, *code))
        return true;
    if (rm->lost)
        *code = RM_RC_FAILURE;
    else if (rm->starved)
        *code = RM_RC_MEMORY;
    return false;
}

unsigned residency_patience(const struct rm *rm)
{
    return rm->objects_loaded + rm->session_count + 1;
}

/* Loads one thing, making room for as long as the chip asks for it. */
static uint32_t bring_object(struct rm *rm, struct object *object)
{
    unsigned patience = residency_patience(rm);
    uint32_t code;

    do {
        code = swap_load_object(rm, object);
    } while (code != TPM2_RC_SUCCESS && patience-- > 0 && residency_relieve(rm, &code));
    return code;
}

uint32_t residency_bring_session(struct rm *rm, struct session *session)
{
    unsigned patience = residency_patience(rm);
    uint32_t code;

    do {
        code = swap_load_session(rm, session);
    } while (code != TPM2_RC_SUCCESS && patience-- > 0 && residency_relieve(rm, &code));
    if (code == TPM2_RC_SUCCESS)
        session_apply(rm, session, SESSION_EVENT_LOAD);
    return code;
}

/* The chip says that the context is not one of its own (any more): a reset, changed seeds, or a
 * hierarchy that is off. */
static bool is_dead_context(uint32_t code)
{
    uint32_t base = code & (TPM2_RC_FMT1 | RC_NUMBER_MASK);

    return code < RC_TPM_LIMIT
           && (base == TPM2_RC_INTEGRITY || base == TPM2_RC_HANDLE || base == TPM2_RC_SIZE
               || base == TPM2_RC_HIERARCHY);
}

/* Objects that must be loaded; one that stands in two places counts once. */
static unsigned count_loads(const struct use *use)
{
    unsigned loads = 0;

    for (unsigned i = 0; i < COMMAND_MAX_HANDLES; i++) {
        bool again = false;

        if (!use->objects[i] || use->objects[i]->physical != OBJECT_NOT_LOADED)
            continue;
        for (unsigned j = 0; j < i; j++)
            again |= use->objects[j] == use->objects[i];
        loads += !again;
    }
    return loads;
}

static bool is_resident(const struct use *use)
{
    for (unsigned i = 0; i < use->session_count; i++) {
        if (!use->sessions[i]->loaded)
            return false;
    }
    return count_loads(use) == 0;
}

static uint32_t require_objects(struct rm *rm, struct use *use)
{
    unsigned needed = count_loads(use) + use->extra_objects;
    uint32_t code;

    while (rm->objects_loaded + needed > rm->chip.object_slots && evict_object(rm))
        ;
    for (unsigned i = 0; i < COMMAND_MAX_HANDLES; i++) {
        struct object *object = use->objects[i];

        if (!object || object->physical != OBJECT_NOT_LOADED)
            continue;
        code = bring_object(rm, object);
        if (is_dead_context(code)) {
            use_end(use);
            *use = (struct use){0};
            presence_lost(rm, object);
            return RM_RC_HANDLE(i);
        }
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    return TPM2_RC_SUCCESS;
}

static uint32_t require_sessions(struct rm *rm, struct use *use)
{
    unsigned needed = use->extra_sessions;
    uint32_t code;

    for (unsigned i = 0; i < use->session_count; i++)
        needed += !use->sessions[i]->loaded;
    while (rm->sessions_loaded + needed > rm->chip.session_slots && evict_session(rm))
        ;
    for (unsigned i = 0; i < use->session_count; i++) {
        struct session *session = use->sessions[i];

        if (session->loaded)
            continue;
        code = residency_bring_session(rm, session);
        if (is_dead_context(code)) {
            code = use->session_codes[i];
            use_end(use);
            *use = (struct use){0};
            session_apply(rm, session, SESSION_EVENT_ENDED);
            return code;
        }
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    return TPM2_RC_SUCCESS;
}

uint32_t residency_require(struct rm *rm, struct use *use)
{
    uint32_t code;

    if (rm->failed && is_resident(use))
        return TPM2_RC_SUCCESS;
    code = rm->failed ? rm_transact_ask_failed(rm) : TPM2_RC_SUCCESS;
    if (code == TPM2_RC_SUCCESS)
        code = require_objects(rm, use);
    return code != TPM2_RC_SUCCESS ? code : require_sessions(rm, use);
}

/* An object that idle time is for: garbage always, and with `release` all that is loaded. */
static bool idle_object(struct rm *rm, bool release)
{
    struct object *object = eviction_choose(rm);

    if (!object || !(release || is_garbage(object)))
        return false;
    if (blob_empty(&object->saved) && object->references > 0)
        return swap_save_object(rm, object) == TPM2_RC_SUCCESS;
    return evict(rm, object) == TPM2_RC_SUCCESS;
}

bool residency_idle(struct rm *rm, bool release)
{
    struct session *doomed = find_doomed(rm);

    if (doomed)
        return swap_flush_session(rm, doomed) == TPM2_RC_SUCCESS;
    if (idle_object(rm, release))
        return true;
    if (gap_refresh_is_due(rm))
        return gap_refresh(rm);
    return release && evict_session(rm);
}
