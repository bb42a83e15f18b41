/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/note.h"

#include "rm/state.h"

#include <assert.h>

static void note_holder(struct journal *journal, struct journal_mark *mark, void *payload)
{
    const struct rm_client *client = list_entry(mark, struct rm_client, mark);

    (void)journal;
    *(struct record_holder *)payload = (struct record_holder){
        .cookie = client->cookie,
        .number = client->number,
        .uid = client->uid,
        .account = client->user->uid,
        .next = client->handles.next,
    };
}

static void note_object(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct object *object = list_entry(mark, struct object, mark);
    struct record_object *record = payload;

    record->physical = object->physical;
    record->saved = journal_keep(journal, mark, 0, &object->saved.line, object->saved.bytes,
                                 object->saved.size);
    record->immutable = object->immutable;
    record->sequence = object->sequence;
    record->name_size = object->name_size;
    memcpy(record->name, object->name, sizeof(record->name));
}

static void note_session(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct session *session = list_entry(mark, struct session, mark);

    *(struct record_session *)payload = (struct record_session){
        .owner = session->owner ? session->owner->mark.cell : (struct journal_ref){0},
        .held_since = session->held_since,
        .handle = session->handle,
        .uid = session->uid,
        .account = session->user ? session->user->uid : 0,
        .saved = journal_keep(journal, mark, 0, &session->saved.line, session->saved.bytes,
                              session->saved.size),
        .held = journal_keep(journal, mark, 1, &session->held.line, session->held.bytes,
                             session->held.size),
        .state = (uint8_t)session->state,
        .loaded = session->loaded,
        .used_up = session->context_used_up,
    };
}

void note_begin(struct rm *rm)
{
    assert(list_empty(&rm->clients) && list_empty(&rm->objects) && list_empty(&rm->sessions));
    journal_set_noter(rm->journal, JOURNAL_HOLDER, note_holder);
    journal_set_noter(rm->journal, JOURNAL_OBJECT, note_object);
    journal_set_noter(rm->journal, JOURNAL_SESSION, note_session);
    note_chip(rm);
}

void note_chip(struct rm *rm)
{
    const struct record_chip record = {
        .reset_count = rm->chip.reset_count,
        .object_slots = rm->chip.object_slots,
        .session_slots = rm->chip.session_slots,
    };

    journal_note_chip(rm->journal, &record);
}

void note_handle(struct rm *rm, struct handles *handles, const struct handle_entry *entry)
{
    struct rm_client *client = list_entry(handles, struct rm_client, handles);
    const struct record_handle record = {
        .holder = client->mark.cell,
        .object = entry->object->mark.cell,
        .handle = entry->handle,
    };

    journal_put(rm->journal, entry->cell, JOURNAL_HANDLE, &record, sizeof(record));
    journal_touch(rm->journal, &client->mark);
}
