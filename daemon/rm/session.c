/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/session.h"

#include "rm/capacity.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <assert.h>

#define IMPOSSIBLE (-1)

/* The next state of a session, by its state (the rows) and the event. */
static const int8_t transitions[SESSION_GONE][SESSION_EVENT_ENDED + 1] = {
    [SESSION_ACTIVE] =
        {
            [SESSION_EVENT_CLIENT_SAVE] = SESSION_CLIENT_SAVED,
            [SESSION_EVENT_CLIENT_LOAD] = IMPOSSIBLE,
            [SESSION_EVENT_GIVE_UP] = SESSION_DOOMED,
            [SESSION_EVENT_OWNER_CLOSED] = SESSION_DOOMED,
            [SESSION_EVENT_ENDED] = SESSION_GONE,
        },
    [SESSION_CLIENT_SAVED] =
        {
            [SESSION_EVENT_CLIENT_SAVE] = IMPOSSIBLE,
            [SESSION_EVENT_CLIENT_LOAD] = SESSION_ACTIVE,
            [SESSION_EVENT_GIVE_UP] = SESSION_DOOMED,
            [SESSION_EVENT_OWNER_CLOSED] = SESSION_ABANDONED,
            [SESSION_EVENT_ENDED] = SESSION_GONE,
        },
    [SESSION_ABANDONED] =
        {
            [SESSION_EVENT_CLIENT_SAVE] = IMPOSSIBLE,
            [SESSION_EVENT_CLIENT_LOAD] = SESSION_ACTIVE,
            [SESSION_EVENT_GIVE_UP] = SESSION_DOOMED,
            [SESSION_EVENT_OWNER_CLOSED] = IMPOSSIBLE,
            [SESSION_EVENT_ENDED] = SESSION_GONE,
        },
    [SESSION_DOOMED] =
        {
            [SESSION_EVENT_CLIENT_SAVE] = IMPOSSIBLE,
            [SESSION_EVENT_CLIENT_LOAD] = IMPOSSIBLE,
            [SESSION_EVENT_GIVE_UP] = IMPOSSIBLE,
            [SESSION_EVENT_OWNER_CLOSED] = IMPOSSIBLE,
            [SESSION_EVENT_ENDED] = SESSION_GONE,
        },
};

struct session *session_new(struct rm *rm)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    if (!journal_open(rm->journal, &session->mark, JOURNAL_SESSION)) {
        free(session);
        return NULL;
    }
    eviction_record_init(&session->eviction);
    return session;
}

void session_discard(struct rm *rm, struct session *session)
{
    if (!session)
        return;
    journal_close(rm->journal, &session->mark);
    free(session);
}

void session_enter(struct rm *rm, struct session *session, uint32_t handle,
                   enum session_state state)
{
    session->handle = handle;
    session->state = state;
    rm->session_count++;
    list_insert_before(&rm->sessions, &session->link);
    ledger_add(rm->ledger, handle);
}

void session_start(struct rm *rm, struct session *session, uint32_t handle, struct rm_client *owner)
{
    struct session *former = session_find(rm, handle);

    if (former)
        session_apply(rm, former, SESSION_EVENT_ENDED);
    session_enter(rm, session, handle, SESSION_ACTIVE);
    session_set_loaded(rm, session, true);
    session_set_owner(rm, session, owner);
    eviction_note_use(&rm->session_eviction, &session->eviction, capacity_session_slots(rm),
                      rm->clock);
}

/* Takes the session off its client's and its user's counts. */
static void discharge(struct session *session)
{
    if (session->owner) {
        session->owner->session_count--;
        session->user->sessions--;
    } else if (session->user) {
        session->user->abandoned--;
    }
    rm_user_unreference(session->user);
    session->owner = NULL;
    session->user = NULL;
}

void session_set_owner(struct rm *rm, struct session *session, struct rm_client *client)
{
    discharge(session);
    journal_touch(rm->journal, &session->mark);
    if (!client)
        return;
    session->owner = client;
    session->uid = client->uid;
    session->user = rm_user_reference(client->user);
    client->session_count++;
    client->user->sessions++;
}

/* The connection of the session's owner closed: from now on the user is charged. */
static void set_abandoned(struct session *session)
{
    struct rm_user *user = rm_user_reference(session->user);

    discharge(session);
    session->user = user;
    user->abandoned++;
}

static void session_free(struct rm *rm, struct session *session)
{
    rm->sessions_loaded -= session->loaded;
    rm->session_count--;
    ledger_remove(rm->ledger, session->handle);
    list_remove(&session->link);
    eviction_forget(&rm->session_eviction, &session->eviction);
    blob_clear(&session->saved);
    blob_clear(&session->held);
    session_discard(rm, session);
}

bool session_can(const struct session *session, enum session_event event)
{
    return transitions[session->state][event] != IMPOSSIBLE;
}

void session_apply(struct rm *rm, struct session *session, enum session_event event)
{
    assert(session_can(session, event));
    journal_touch(rm->journal, &session->mark);
    session->state = (enum session_state)transitions[session->state][event];
    switch (session->state) {
    case SESSION_ACTIVE:
        /* The client's copy is used up by its load, or it never had one. */
        blob_clear(&session->held);
        return;
    case SESSION_CLIENT_SAVED:
        session->held_since = rm->clock;
        return;
    case SESSION_ABANDONED:
        set_abandoned(session);
        return;
    case SESSION_DOOMED:
        session_set_owner(rm, session, NULL);
        return;
    case SESSION_GONE:
        session_set_owner(rm, session, NULL);
        session_free(rm, session);
        return;
    }
}

void session_saved_by_client(struct rm *rm, struct session *session, struct blob *held)
{
    blob_move(&session->held, held);
    session_apply(rm, session, SESSION_EVENT_CLIENT_SAVE);
}

void session_loaded_by_client(struct rm *rm, struct session *session, struct rm_client *client)
{
    session_set_owner(rm, session, client);
    /* One that a refresh left in its slot has no context. */
    session->context_used_up = !session->loaded;
    session_apply(rm, session, SESSION_EVENT_CLIENT_LOAD);
}

void session_set_loaded(struct rm *rm, struct session *session, bool loaded)
{
    journal_touch(rm->journal, &session->mark);
    rm->sessions_loaded -= session->loaded;
    session->loaded = loaded;
    rm->sessions_loaded += session->loaded;
}

bool session_take_context(struct rm *rm, struct session *session, struct blob *context)
{
    struct tpms_context fields;

    if (!tpms_context_parse(&fields, context->bytes, context->size)
        || !handle_is_session(fields.saved_handle)
        || (fields.saved_handle & HANDLE_INDEX_MASK) != (session->handle & HANDLE_INDEX_MASK)) {
        blob_clear(context);
        return false;
    }
    blob_move(&session->saved, context);
    session->sequence = fields.sequence;
    session->saved_at = rm->clock;
    rm->newest_sequence = fields.sequence;
    session_set_loaded(rm, session, false);
    /* The session goes to the end of the list, whose order is the order of saving. */
    list_remove(&session->link);
    list_insert_before(&rm->sessions, &session->link);
    return true;
}

void session_loaded(struct rm *rm, struct session *session)
{
    blob_clear(&session->saved);
    session->context_used_up = false;
    session_set_loaded(rm, session, true);
}

struct session *session_find(struct rm *rm, uint32_t handle)
{
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if ((session->handle & HANDLE_INDEX_MASK) == (handle & HANDLE_INDEX_MASK))
            return session;
    }
    return NULL;
}

bool session_belongs_to(const struct session *session, const struct rm_client *client)
{
    return session->owner == client
           || (session->state == SESSION_ABANDONED && session->uid == client->uid);
}

struct session *session_find_usable(struct rm *rm, const struct rm_client *client, uint32_t handle)
{
    struct session *session = handle_is_session(handle) ? session_find(rm, handle) : NULL;

    if (!session || session->owner != client || session->state != SESSION_ACTIVE)
        return NULL;
    return session;
}

struct session *session_oldest_abandoned(struct rm *rm, const struct rm_user *user)
{
    struct session *oldest = NULL;

    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session->state == SESSION_ABANDONED && session->user == user
            && (!oldest || session->held_since < oldest->held_since))
            oldest = session;
    }
    return oldest;
}

struct session *session_to_give_up(struct rm *rm, const struct rm_user *user)
{
    const struct rm_user *heaviest = NULL;

    if (user && user->abandoned > 0)
        return session_oldest_abandoned(rm, user);
    list_for_each (link, &rm->users) {
        const struct rm_user *other = list_entry(link, struct rm_user, link);

        if (other->abandoned > 0
            && (!heaviest
                || other->sessions + other->abandoned > heaviest->sessions + heaviest->abandoned))
            heaviest = other;
    }
    return heaviest ? session_oldest_abandoned(rm, heaviest) : NULL;
}

struct session *session_find_held(struct rm *rm, const uint8_t *bytes, size_t size)
{
    list_for_each (link, &rm->sessions) {
        struct session *session = list_entry(link, struct session, link);

        if (session_can(session, SESSION_EVENT_CLIENT_LOAD)
            && blob_equal(&session->held, bytes, size))
            return session;
    }
    return NULL;
}
