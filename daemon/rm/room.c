/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/room.h"

#include "base/log.h"
#include "rm/context-gap.h"
#include "rm/context-transfer.h"
#include "rm/rc.h"

#include <inttypes.h>

bool room_is_garbage(const struct object *object)
{
    return object->references == 0 && blob_empty(&object->saved);
}

/* The order in which kinds of objects leave: garbage, orphans, all others. */
static int rank(const struct object *object)
{
    if (object->references == 0)
        return room_is_garbage(object) ? 0 : 1;
    return 2;
}

static bool leaves_before(const struct rm *rm, const struct object *a, const struct object *b)
{
    if (rank(a) != rank(b))
        return rank(a) < rank(b);
    return eviction_leaves_before(&rm->object_eviction, &a->eviction, &b->eviction, rm->clock);
}

static bool is_clean(const struct object *object)
{
    return object->references == 0 || !blob_empty(&object->saved);
}

static struct object *choose_object(struct rm *rm, bool clean)
{
    struct object *chosen = NULL;

    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);

        if (!object->pinned && (!clean || is_clean(object))
            && (!chosen || leaves_before(rm, object, chosen)))
            chosen = object;
    }
    return chosen;
}

struct object *room_choose_object(struct rm *rm)
{
    return choose_object(rm, false);
}

struct object *room_choose_clean_object(struct rm *rm)
{
    return choose_object(rm, true);
}

struct session *room_choose_session(struct rm *rm)
{
    struct session *chosen = NULL;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (!session->loaded || session->pinned)
            continue;
        if (session->state == SESSION_DOOMED)
            return session;
        if (!chosen
            || eviction_leaves_before(&rm->session_eviction, &session->eviction, &chosen->eviction,
                                      rm->clock))
            chosen = session;
    }
    return chosen;
}

uint32_t room_evict_object(struct rm *rm, struct object *object, enum trace_reason reason)
{
    uint32_t code;

    trace_evict_object(object, reason);
    if (!is_clean(object)) {
        code = context_transfer_save_object(rm, object);
        if (code != TPM2_RC_SUCCESS)
            return code;
    }
    code = context_transfer_flush_object(rm, object);
    if (code != TPM2_RC_SUCCESS)
        return code;
    rm->statistics.swaps[reason]++;
    if (object->references == 0)
        object_free(rm, object);
    return code;
}

/* Saves a session that is to leave its slot, after one that is too old if the chip wants that. */
static uint32_t save_session(struct rm *rm, struct session *session)
{
    uint32_t code = context_transfer_save_session(rm, session);

    if (code == TPM2_RC_CONTEXT_GAP) {
        code = context_gap_refresh(rm);
        if (code == TPM2_RC_SUCCESS)
            code = context_transfer_save_session(rm, session);
    }
    return code;
}

uint32_t room_evict_session(struct rm *rm, struct session *session, enum trace_reason reason)
{
    uint32_t code;

    trace_evict_session(session, reason);
    code = session->state == SESSION_DOOMED ? context_transfer_flush_session(rm, session)
                                            : save_session(rm, session);
    rm->statistics.swaps[reason] += code == TPM2_RC_SUCCESS;
    return code;
}

uint32_t room_make_object(struct rm *rm, enum trace_reason reason)
{
    struct object *object = room_choose_object(rm);

    return object ? room_evict_object(rm, object, reason) : TPM2_RC_OBJECT_MEMORY;
}

uint32_t room_make_session(struct rm *rm, enum trace_reason reason)
{
    struct session *session = room_choose_session(rm);

    return session ? room_evict_session(rm, session, reason) : TPM2_RC_SESSION_MEMORY;
}

struct session *room_find_doomed(struct rm *rm)
{
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session->state == SESSION_DOOMED)
            return session;
    }
    return NULL;
}

/* Says, once for each connection, that its command finds no session. */
static void tell_no_session(struct rm_client *client)
{
    if (!client || client->told_none)
        return;
    log_event(LOG_EVENT_NO_SESSIONS, rm_client_about_answer(client, TPM2_RC_SESSION_HANDLES),
              "the TPM has no session left for user %" PRIu32 " (0x%03X): all active ones are "
              "taken, here or by other programs that use the TPM; end some",
              client->uid, TPM2_RC_SESSION_HANDLES);
    client->told_none = true;
}

uint32_t room_end_session(struct rm *rm)
{
    struct session *session = room_find_doomed(rm);

    if (!session) {
        session = session_to_give_up(rm, rm->requester ? rm->requester->user : NULL);
        if (!session) {
            tell_no_session(rm->requester);
            return TPM2_RC_SESSION_HANDLES;
        }
        session_apply(rm, session, SESSION_EVENT_GIVE_UP);
    }
    return context_transfer_flush_session(rm, session);
}

/* The chip does not say whether memory for objects or for sessions is short. */
static uint32_t make_any(struct rm *rm)
{
    uint32_t of_object = room_make_object(rm, TRACE_FOR_CHIP), of_session;

    if (of_object == TPM2_RC_SUCCESS)
        return of_object;
    of_session = room_make_session(rm, TRACE_FOR_CHIP);
    return of_session == TPM2_RC_SUCCESS || of_object != RM_RC_MEMORY ? of_session : of_object;
}

static uint32_t make_room(struct rm *rm, uint32_t code)
{
    switch (code) {
    case TPM2_RC_CONTEXT_GAP:
        return context_gap_refresh(rm);
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
        return room_make_object(rm, TRACE_FOR_CHIP);
    case TPM2_RC_SESSION_MEMORY:
        return room_make_session(rm, TRACE_FOR_CHIP);
    case TPM2_RC_MEMORY:
        return make_any(rm);
    case TPM2_RC_SESSION_HANDLES:
        return room_end_session(rm);
    default:
        return code;
    }
}

bool room_relieve(struct rm *rm, uint32_t *code)
{
    uint32_t made = make_room(rm, *code);

    if (made == RM_RC_FAILURE || made == RM_RC_MEMORY)
        *code = made;
    return made == TPM2_RC_SUCCESS;
}

unsigned room_retries(const struct rm *rm)
{
    return rm->objects_loaded + rm->session_count + 1;
}
