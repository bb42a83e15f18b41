/* SPDX-License-Identifier: BSD-2-Clause */
#include "books.h"

#include "exchange.h"
#include "mirror.h"
#include "rm-invariants.h"

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
    for (uint32_t i = 1; i <= model->thing_count && !model->rm->books_in_doubt; i++) {
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
        as_expected = session->state == SESSION_ACTIVE;
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
            /* While the books are in doubt it may be there or not. */
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

/* A rule of the manager's own books, and theirs against the chip. */
static void must_hold(struct model *model, const char *said)
{
    if (said)
        model_fail(model, "%s", said);
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
    if (!model->reset_not_started || model->rm->books_in_doubt || !model_chip_is_started(model))
        return;
    if (model->exclusive_since)
        model_ask_reference(model);
    model->reset_not_started = false;
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

/* What is known by now is what the next daemon would know. */
static void check_journal(struct model *model)
{
    if (model->setting.sabotage > CHIP_WATCH_MORTAL)
        return;
    journal_commit(model->plain.journal);
    must_hold(model, mirror_look(model->rm, &model->plain.memory));
}

void books_check(struct model *model)
{
    books_settle(model);
    check_reset(model);
    check_things(model);
    must_hold(model, rm_invariants_books(model->rm));
    check_journal(model);
    if (may_ask_chip(model) && !model->rm->books_in_doubt)
        must_hold(model, rm_invariants_chip(model->rm, &model->chip->tpm));
}

static void drain(struct model *model)
{
    unsigned steps = 0;

    while (rm_idle(model->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE) {
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
    if (model->rm->books_in_doubt || model->rm->objects_loaded || model->rm->sessions_loaded)
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
