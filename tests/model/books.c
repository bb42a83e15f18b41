/* SPDX-License-Identifier: BSD-2-Clause */
#include "books.h"

#include "exchange.h"

#include "wire/capability.h"
#include "wire/handle.h"

#include <string.h>

#define MAX_LISTED  254
#define QUIET_STEPS 6

static struct session *session_of(struct model *model, const struct thing *thing)
{
    struct session *session = session_find(model->rm, thing->handle);

    return session && session->state != SESSION_DOOMED ? session : NULL;
}

bool books_have(struct model *model, const struct thing *thing)
{
    if (thing_is_session(thing))
        return session_of(model, thing);
    return thing->owner >= 0 && model->clients[thing->owner].client
           && handles_find(&model->clients[thing->owner].client->handles, thing->handle);
}

void books_settle(struct model *model)
{
    for (uint32_t i = 1; i <= model->thing_count && !model->rm->suspect; i++) {
        struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD || !thing->unsure || books_have(model, thing))
            continue;
        model_trace(model, "    thing %u (client %d, 0x%x) did not survive", thing->number,
                    thing->owner, thing->handle);
        model_forget(model, thing);
    }
}

static void check_session(struct model *model, const struct thing *thing)
{
    const struct session *session = session_of(model, thing);
    const struct rm_client *owner = thing->owner < 0 ? NULL : model->clients[thing->owner].client;
    bool as_expected;

    if (!session)
        model_fail(model, "the manager has lost session 0x%x of client %d", thing->handle,
                   thing->owner);
    if (thing->state == THING_LIVE)
        as_expected = session->state == SESSION_LOADED || session->state == SESSION_EVICTED;
    else
        as_expected = session->state == (owner ? SESSION_CLIENT_SAVED : SESSION_ABANDONED);
    if (!as_expected || session->owner != owner)
        model_fail(model, "the manager has session 0x%x of client %d in state %d, owner %s",
                   thing->handle, thing->owner, (int)session->state,
                   session->owner == owner ? "right" : "wrong");
}

static void check_things(struct model *model)
{
    unsigned objects[MODEL_CLIENTS] = {0}, sessions[MODEL_CLIENTS] = {0}, all_sessions = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        if (thing->state == THING_DEAD)
            continue;
        if (thing_is_session(thing)) {
            /* While the books are suspect it may be there or not. */
            if (thing->unsure && !session_of(model, thing))
                continue;
            check_session(model, thing);
            all_sessions++;
            if (thing->owner >= 0)
                sessions[thing->owner]++;
        } else if (books_have(model, thing)) {
            objects[thing->owner]++;
        } else if (!thing->unsure) {
            model_fail(model, "the manager has lost object 0x%x of client %d", thing->handle,
                       thing->owner);
        }
    }
    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        const struct rm_client *client = model->clients[i].client;

        if (client && client->handles.count != objects[i])
            model_fail(model, "client %u has %u objects and the manager counts %u", i, objects[i],
                       client->handles.count);
        if (client && client->session_count != sessions[i])
            model_fail(model, "client %u has %u sessions and the manager counts %u", i, sessions[i],
                       client->session_count);
    }
    list_for_each (link, &model->rm->sessions) {
        all_sessions -= list_entry(link, struct session, link)->state != SESSION_DOOMED;
    }
    if (all_sessions != 0)
        model_fail(model, "the manager has sessions that nobody has");
}

static void check_object(struct model *model, const struct object *object)
{
    uint32_t references = 0;

    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        const struct rm_client *client = model->clients[i].client;

        for (uint32_t j = 0; client && j < client->handles.count; j++)
            references += client->handles.entries[j].object == object;
    }
    if (references != object->references)
        model_fail(model, "an object has %u handles and counts %u", references, object->references);
    if (object->pinned)
        model_fail(model, "an object stays pinned after the command");
    if (object->physical == OBJECT_NOT_LOADED && (blob_empty(&object->saved) || references == 0))
        model_fail(model, "an object is neither in the chip nor saved, or nobody's");
}

/* What is in which slot, by the manager's own books. */
static void check_slots(struct model *model)
{
    const struct rm *rm = model->rm;
    uint32_t objects = 0, sessions = 0;

    list_for_each (link, &rm->objects) {
        check_object(model, list_entry(link, struct object, link));
    }
    list_for_each (link, &rm->slots) {
        const struct object *object = list_entry(link, struct object, slot_link);

        objects++;
        for (const struct list *other = link->next; other != &rm->slots; other = other->next) {
            if (list_entry(other, struct object, slot_link)->physical == object->physical)
                model_fail(model, "physical handle 0x%x is known twice", object->physical);
        }
    }
    list_for_each (link, &rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        sessions += session->loaded;
        if (session->pinned)
            model_fail(model, "session 0x%x stays pinned after the command", session->handle);
        if (session->state != SESSION_DOOMED && session->loaded == !blob_empty(&session->saved))
            model_fail(model, "session 0x%x is in the chip and saved, or neither", session->handle);
    }
    if (objects != rm->objects_loaded || sessions != rm->sessions_loaded)
        model_fail(model, "%u objects and %u sessions are in slots, the manager counts %u and %u",
                   objects, sessions, rm->objects_loaded, rm->sessions_loaded);
}

/* What the chip lists. False when it was reset and is not started. */
static bool ask_chip(struct model *model, uint32_t first, uint32_t *handles, uint32_t *count)
{
    uint8_t command[COMMAND_OWN_SIZE], response[REFERENCE_BYTES];
    struct libtpms_chip *chip = model->chip;
    struct capability_list list;
    size_t size = command_build_get_capability(command, TPM2_CAP_HANDLES, first, MAX_LISTED);

    if (chip->tpm.transact(&chip->tpm, 0, command, size, response, sizeof(response), &size) != 0)
        model_fail(model, "the chip does not answer");
    if (header_load(response).code == TPM2_RC_INITIALIZE)
        return false;
    if (!capability_list_parse(&list, response, size, TPM2_CAP_HANDLES, 4))
        model_fail(model, "the chip does not list its handles");
    *count = list.count;
    for (uint32_t i = 0; i < list.count; i++)
        handles[i] = load_be32(list.items + 4 * (size_t)i);
    return true;
}

static bool has(const uint32_t *handles, uint32_t count, uint32_t handle)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((handles[i] & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK))
            return true;
    }
    return false;
}

static void check_chip(struct model *model)
{
    uint32_t objects[MAX_LISTED], loaded[MAX_LISTED], saved[MAX_LISTED];
    uint32_t object_count, loaded_count, saved_count, session_count = 0;
    const struct rm *rm = model->rm;

    if (!ask_chip(model, HANDLE_TRANSIENT_FIRST, objects, &object_count)
        || !ask_chip(model, HANDLE_LOADED_SESSIONS, loaded, &loaded_count)
        || !ask_chip(model, HANDLE_SAVED_SESSIONS, saved, &saved_count))
        return;
    if (object_count != rm->objects_loaded)
        model_fail(model, "%u objects are in the chip and %u in the books", object_count,
                   rm->objects_loaded);
    list_for_each (link, &rm->slots) {
        const struct object *object = list_entry(link, struct object, slot_link);

        if (!has(objects, object_count, object->physical))
            model_fail(model, "the chip has no object 0x%x", object->physical);
    }
    list_for_each (link, &rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        session_count++;
        if (session->loaded ? !has(loaded, loaded_count, session->handle)
                            : !has(saved, saved_count, session->handle))
            model_fail(model, "the chip has no session 0x%x %s", session->handle,
                       session->loaded ? "loaded" : "saved");
    }
    if (session_count != loaded_count + saved_count)
        model_fail(model, "the chip has %u sessions (%u saved) and %u are in the books",
                   loaded_count + saved_count, saved_count, session_count);
}

/* A question to the chip ends the exclusiveness of an audit session, which a program may want to
 * see. After some steps it must end, for the reference as well. */
static bool may_ask_chip(struct model *model)
{
    if (!model->exclusive_since)
        return true;
    /* After a fault the manager asks, too. */
    if (model->step - model->exclusive_since < QUIET_STEPS && !model->watch.hit)
        return false;
    model_end_exclusive(model);
    model_ask_reference(model);
    return true;
}

/* A reset that the manager has seen has taken all that it takes. */
static void check_reset(struct model *model)
{
    if (!model->reset_unseen || model->rm->suspect || !model_chip_is_started(model))
        return;
    if (model->exclusive_since)
        model_ask_reference(model);
    model->reset_unseen = false;
    /* A fault may have kept from the manager which kind of reset it was. */
    if (model->watch.hit) {
        for (uint32_t i = 1; i <= model->context_count; i++)
            model->contexts[i].unsure = true;
        return;
    }
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        if (thing->state != THING_DEAD && thing->reset)
            model_fail(model, "0x%x of client %d is kept past a reset that has ended it",
                       thing->handle, thing->owner);
    }
}

void books_check(struct model *model)
{
    books_settle(model);
    check_reset(model);
    check_things(model);
    check_slots(model);
    if (may_ask_chip(model) && !model->rm->suspect)
        check_chip(model);
}

static void drain(struct model *model)
{
    unsigned steps = 0;

    while (rm_idle(model->rm, RM_IDLE_EMPTY)) {
        if (++steps > 10000)
            model_fail(model, "idle clean-up does not end");
    }
}

void books_check_end(struct model *model)
{
    static const uint8_t get_random[12] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

    /* A reset shows by what the chip answers, so it must be asked something. */
    model_connect(model, 0);
    exchange_raw(model, 0, get_random, sizeof(get_random));
    for (unsigned i = 0; i < MODEL_CLIENTS; i++)
        model_disconnect(model, i);
    chip_watch_begin(&model->watch, NULL, 0);
    drain(model);
    model->exclusive_since = 0;
    books_check(model);
    if (model->rm->suspect || model->rm->objects_loaded || model->rm->sessions_loaded)
        model_fail(model, "%u objects and %u sessions stay in the chip when all have left",
                   model->rm->objects_loaded, model->rm->sessions_loaded);
    if (!list_empty(&model->rm->objects))
        model_fail(model, "objects of nobody stay in memory");
    list_for_each (link, &model->rm->sessions) {
        const struct session *session = list_entry(link, struct session, link);

        if (session->state != SESSION_ABANDONED)
            model_fail(model, "session 0x%x stays when all have left", session->handle);
    }
}
