/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/resync.h"

#include "base/log.h"
#include "rm/answer-cache.h"
#include "rm/context-transfer.h"
#include "rm/doubt.h"
#include "rm/identity.h"
#include "rm/note.h"
#include "rm/object-lifecycle.h"
#include "rm/rc.h"
#include "rm/transact.h"
#include "wire/capability.h"
#include "wire/handle.h"

/* More handles than any chip has loaded; a list that does not end here is cut. */
#define MAX_LISTED 1024

struct inventory {
    uint32_t count;
    uint32_t handles[MAX_LISTED];
};

/* All handles that the chip lists from `first` on. False, with *code, when it refuses. */
static bool list_handles(struct rm *rm, uint32_t first, struct inventory *inventory, uint32_t *code)
{
    struct capability_list list;
    uint32_t last = first;
    size_t size;

    inventory->count = 0;
    do {
        size = command_build_get_capability(rm->own_command, TPM2_CAP_HANDLES, first,
                                            TPM2_MAX_CAP_HANDLES);
        *code = rm_transact_own(rm, size, &size);
        if (*code != TPM2_RC_SUCCESS)
            return false;
        if (!capability_list_parse(&list, rm->own_response, size, TPM2_CAP_HANDLES, 4)) {
            *code = RM_RC_FAILURE;
            return false;
        }
        for (uint32_t i = 0; i < list.count && inventory->count < MAX_LISTED; i++) {
            last = load_be32(list.items + 4 * (size_t)i);
            inventory->handles[inventory->count++] = last;
        }
        first = (first & ~HANDLE_INDEX_MASK) | ((last & HANDLE_INDEX_MASK) + 1);
    } while (list.more && list.count > 0 && inventory->count < MAX_LISTED);
    return true;
}

static bool has_object(const struct inventory *inventory, uint32_t handle)
{
    for (uint32_t i = 0; i < inventory->count; i++) {
        if (inventory->handles[i] == handle)
            return true;
    }
    return false;
}

static bool has_session(const struct inventory *inventory, uint32_t handle)
{
    for (uint32_t i = 0; i < inventory->count; i++) {
        if ((inventory->handles[i] & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK))
            return true;
    }
    return false;
}

static bool hierarchy_is_hit(const struct command *command, uint32_t hierarchy)
{
    const uint8_t *parameters = command->bytes + command->parameters_at;

    switch (command->code) {
    case TPM2_CC_Clear:
        return hierarchy == TPM2_RH_OWNER || hierarchy == TPM2_RH_ENDORSEMENT;
    case TPM2_CC_ChangePPS:
        return hierarchy == TPM2_RH_PLATFORM;
    case TPM2_CC_ChangeEPS:
        return hierarchy == TPM2_RH_ENDORSEMENT;
    case TPM2_CC_HierarchyControl:
        /* enable (TPMI_RH_ENABLES), state (TPMI_YES_NO) */
        return command_parameters_size(command) == 5 && parameters[4] == 0
               && hierarchy == load_be32(parameters);
    default:
        return false;
    }
}

/* What the command does to an object with a context, which tells the hierarchy. */
static void hit_saved_object(struct rm *rm, const struct command *command, struct object *object)
{
    if (hierarchy_is_hit(command, object->hierarchy)) {
        object_lifecycle_lost(rm, object);
    } else if (command->code == TPM2_CC_Clear && object->st_clear
               && object->physical != OBJECT_NOT_LOADED) {
        /* clearCount starts anew, on which such a context may depend. It is made again at once, as
         * an object without a context is lost with the daemon if its Name is not known. */
        object_lifecycle_drop_context(rm, object);
        context_transfer_save_object(rm, object);
    }
}

/* Of a loaded object without a context the hierarchy is unknown; the chip knows which it dropped.
 */
static void hit_loaded_objects(struct rm *rm)
{
    struct inventory inventory;
    uint32_t code;
    bool unknown = false;

    list_for_each (link, &rm->slots) {
        unknown |= blob_empty(&list_entry(link, struct object, slot_link)->saved);
    }
    if (!unknown)
        return;
    if (!list_handles(rm, HANDLE_TRANSIENT_FIRST, &inventory, &code)) {
        doubt_books(rm, "the TPM does not list its objects");
        return;
    }
    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);

        if (!has_object(&inventory, object->physical))
            object_lifecycle_left(rm, object);
    }
}

/* The chip counts so many resets. */
static void set_resets(struct rm *rm, uint32_t resets)
{
    rm->chip.reset_count = resets;
    note_chip(rm);
}

void resync_hierarchies(struct rm *rm, const struct command *command)
{
    if (!hierarchy_is_hit(command, TPM2_RH_OWNER) && !hierarchy_is_hit(command, TPM2_RH_ENDORSEMENT)
        && !hierarchy_is_hit(command, TPM2_RH_PLATFORM))
        return;
    list_for_each (link, &rm->objects) {
        struct object *object = list_entry(link, struct object, link);

        if (!blob_empty(&object->saved))
            hit_saved_object(rm, command, object);
    }
    hit_loaded_objects(rm);
    if (command->code == TPM2_CC_Clear)
        set_resets(rm, 0); /* Part 3, TPM2_Clear */
}

static void flush_unknown(struct rm *rm, uint32_t handle)
{
    size_t size = command_build_flush_context(rm->own_command, handle);
    uint32_t code;

    rm->stats.context_commands++;
    code = rm_transact_own(rm, size, &size);
    if (rc_is_no_answer(code))
        doubt_books(rm, "what nobody knows of was not flushed");
}

/* An object that the chip lists, and that a former daemon noted. One with a context is not worth a
 * question: what is under its handle is flushed, and the context is loaded when it is needed. */
static void resync_noted_object(struct rm *rm, struct object *object)
{
    if (object->references == 0 || !blob_empty(&object->saved)) {
        object_lifecycle_left(rm, object);
        return;
    }
    switch (identity_ask(rm, object)) {
    case IDENTITY_SAME:
        object->unproven = false;
        return;
    case IDENTITY_OTHER:
        object_lifecycle_lost(rm, object);
        return;
    case IDENTITY_NO_ANSWER:
        doubt_books(rm, "the TPM does not tell which object it has");
        return;
    }
}

static bool resync_objects(struct rm *rm, uint32_t *code)
{
    struct inventory inventory;

    if (!list_handles(rm, HANDLE_TRANSIENT_FIRST, &inventory, code))
        return false;
    list_for_each (link, &rm->slots) {
        struct object *object = list_entry(link, struct object, slot_link);

        if (!has_object(&inventory, object->physical))
            object_lifecycle_left(rm, object);
        else if (object->unproven)
            resync_noted_object(rm, object);
    }
    for (uint32_t i = 0; i < inventory.count; i++) {
        bool known = false;

        list_for_each (link, &rm->slots) {
            known |= list_entry(link, struct object, slot_link)->physical == inventory.handles[i];
        }
        if (!known)
            flush_unknown(rm, inventory.handles[i]);
    }
    return true;
}

/* Notes whether the chip has the session loaded, saved, or not at all. */
static void resync_session(struct rm *rm, struct session *session, bool is_loaded, bool is_saved)
{
    if (!is_loaded && !is_saved) {
        session_apply(rm, session, SESSION_EVENT_ENDED);
    } else if (session->loaded && !is_loaded) {
        /* The chip saved the session, and the answer with its only context was lost. The session
         * can only be flushed. */
        session_set_loaded(rm, session, false);
        if (session_can(session, SESSION_EVENT_GIVE_UP))
            session_apply(rm, session, SESSION_EVENT_GIVE_UP);
    } else if (!session->loaded && is_loaded) {
        /* The chip loaded the session, and only the answer was lost. */
        session_loaded(rm, session);
    }
}

static bool resync_sessions(struct rm *rm, uint32_t *code)
{
    struct inventory loaded, saved;

    if (!list_handles(rm, HANDLE_LOADED_SESSIONS, &loaded, code)
        || !list_handles(rm, HANDLE_SAVED_SESSIONS, &saved, code))
        return false;
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        resync_session(rm, session, has_session(&loaded, session->handle),
                       has_session(&saved, session->handle));
    }
    for (uint32_t i = 0; i < loaded.count; i++) {
        if (!session_find(rm, loaded.handles[i]))
            flush_unknown(rm, loaded.handles[i]);
    }
    return true;
}

/* Drops the contexts that the chip's resets have made void since we last looked: after a TPM Reset,
 * which the chip counts, those of all objects; after a TPM Restart those of objects with stClear
 * (Part 1, clause "Startup"). A chip that does not count judges each context when it is used. False
 * without an answer. */
static bool drop_dead_contexts(struct rm *rm, bool restarted)
{
    size_t size = command_build_read_clock(rm->own_command);
    uint32_t before = rm->chip.reset_count, code = rm_transact_own(rm, size, &size);
    bool all, told = !rc_is_no_answer(code);

    if (code == TPM2_RC_SUCCESS)
        told = chip_learn_clock(&rm->chip, rm->own_response, size);
    set_resets(rm, rm->chip.reset_count);
    /* Only TPM2_Clear sets the count to 0. */
    all = rm->chip.reset_count != before && rm->chip.reset_count != 0;
    list_for_each (link, &rm->objects) {
        struct object *object = list_entry(link, struct object, link);

        /* An object in the chip was loaded since the reset, so only its context is dropped. */
        if (!blob_empty(&object->saved) && (all || (restarted && object->st_clear)))
            object_lifecycle_drop_context(rm, object);
    }
    return told;
}

/* Drops the objects of hierarchies that are off. A TPM2_HierarchyControl whose answer was lost, or
 * another user of the chip, may have done that; their contexts would come to life again with the
 * hierarchy. False without an answer. */
static bool drop_disabled(struct rm *rm)
{
    size_t size = command_build_get_capability(rm->own_command, TPM2_CAP_TPM_PROPERTIES,
                                               TPM2_PT_STARTUP_CLEAR, 1);
    uint32_t code = rm_transact_own(rm, size, &size), enabled;
    struct capability_list list;

    if (code != TPM2_RC_SUCCESS)
        return !rc_is_no_answer(code);
    if (!capability_list_parse(&list, rm->own_response, size, TPM2_CAP_TPM_PROPERTIES, 8)
        || list.count != 1 || load_be32(list.items) != TPM2_PT_STARTUP_CLEAR)
        return true;
    enabled = load_be32(list.items + 4);
    list_for_each (link, &rm->objects) {
        struct object *object = list_entry(link, struct object, link);
        uint32_t hierarchy = blob_empty(&object->saved) ? TPM2_RH_NULL : object->hierarchy;

        if ((hierarchy == TPM2_RH_OWNER && !(enabled & TPMA_STARTUP_CLEAR_SHENABLE))
            || (hierarchy == TPM2_RH_ENDORSEMENT && !(enabled & TPMA_STARTUP_CLEAR_EHENABLE))
            || (hierarchy == TPM2_RH_PLATFORM && !(enabled & TPMA_STARTUP_CLEAR_PHENABLE)))
            object_lifecycle_lost(rm, object);
    }
    return true;
}

bool resync_all(struct rm *rm)
{
    uint32_t code;

    /* Cleared first, so that a command that goes wrong meanwhile sets it again. */
    rm->books_in_doubt = false;
    if (resync_objects(rm, &code) && resync_sessions(rm, &code)) {
        if (!drop_dead_contexts(rm, false) || !drop_disabled(rm))
            doubt_books(rm, "the TPM does not tell of its resets and hierarchies");
        return !rm->books_in_doubt;
    }
    if (code == TPM2_RC_INITIALIZE)
        return resync_after_reset(rm);
    /* For a chip without such lists the books are taken as right. */
    if (rc_is_no_answer(code) || code == TPM2_RC_FAILURE)
        doubt_books(rm, "the TPM does not list what it holds");
    return !rm->books_in_doubt;
}

/* A reset that is found out leaves the rest to be compared once more. A chip that goes on to say
 * that it was reset is not asked for ever. */
bool resync_doubt(struct rm *rm)
{
    for (unsigned round = 0; rm->books_in_doubt && round < 2; round++) {
        if (!resync_all(rm))
            return false;
    }
    return !rm->books_in_doubt;
}

void resync_after_startup(struct rm *rm)
{
    uint32_t code;
    bool told;

    rm->books_in_doubt = false;
    answer_cache_drop(rm);
    rm->condition = TPM_SERVING;
    memset(rm->needs_scratch_slot, 0, sizeof(rm->needs_scratch_slot));
    list_for_each (link, &rm->slots) {
        object_lifecycle_left(rm, list_entry(link, struct object, slot_link));
    }
    /* A TPM Restart keeps saved sessions, a TPM Reset does not; loaded ones are gone. */
    told = drop_dead_contexts(rm, true);
    if (!resync_sessions(rm, &code) || !told)
        doubt_books(rm, "the TPM does not tell what its restart left");
}

bool resync_after_reset(struct rm *rm)
{
    size_t size = command_build_startup(rm->own_command, TPM2_SU_CLEAR);
    uint32_t code = rm_transact_own(rm, size, &size);

    if (code != TPM2_RC_SUCCESS && code != TPM2_RC_INITIALIZE)
        return false;
    log_event(LOG_EVENT_TPM_RESET, LOG_NOBODY,
              "the TPM was reset behind the daemon's back; objects and sessions that were loaded "
              "are lost, clients can go on with new ones");
    resync_after_startup(rm);
    return true;
}
