/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/restore.h"

#include "rm/note.h"
#include "rm/restore-survey.h"
#include "rm/state.h"
#include "wire/tpms-context.h"

/* Books that are being made. */
struct restoration {
    struct rm *rm;
    const struct journal_image *image;
    void **made;               /* by cell: a client or an object */
    struct session **sessions; /* in the order of the survey */
    uint32_t session_count;
};

/* Makes what a record tells of. False without memory. */
typedef bool restore_record(struct restoration *restoration, const struct restore_entry *entry);

enum journal_verdict restore_check(const struct journal_image *image)
{
    struct restore_survey survey;
    enum journal_verdict verdict = restore_survey_make(&survey, image);

    restore_survey_clear(&survey);
    return verdict;
}

/* What the chip has now was read already; that it has a reset behind it shows by the count that was
 * noted. Its slots may have been counted while they were not empty. */
static bool restore_chip(struct restoration *restoration, const struct restore_entry *entry)
{
    struct chip *chip = &restoration->rm->chip;
    struct record_chip record;

    memcpy(&record, entry->record, sizeof(record));
    chip->reset_count = record.reset_count;
    if (record.object_slots > chip->object_slots)
        chip->object_slots = record.object_slots;
    if (record.session_slots > chip->session_slots)
        chip->session_slots = record.session_slots;
    note_chip(restoration->rm);
    return true;
}

static bool restore_holder(struct restoration *restoration, const struct restore_entry *entry)
{
    struct rm *rm = restoration->rm;
    struct record_holder record;
    struct rm_client *client;

    memcpy(&record, entry->record, sizeof(record));
    client = rm_client_new(rm, rm_user_get(rm, record.account), record.uid);
    if (!client)
        return false;
    rm_client_set_cookie(client, record.cookie);
    rm_client_set_number(client, record.number);
    client->handles.next = record.next;
    if (rm->client_number < record.number)
        rm->client_number = record.number;
    restoration->made[entry->cell] = client;
    return true;
}

/* Copies the bytes of an extent, which are to be the mark's extent `which`; a line of 0 has none.
 */
static bool read_blob(const struct restoration *restoration, uint32_t line, uint32_t cell,
                      struct journal_mark *mark, unsigned which, struct blob *blob)
{
    size_t size;
    const uint8_t *bytes;

    if (line == 0)
        return true;
    bytes = journal_image_extent(restoration->image, line, cell, &size);
    return bytes && journal_claim(restoration->rm->journal, mark, which, size)
           && blob_set(blob, bytes, size);
}

static bool restore_object(struct restoration *restoration, const struct restore_entry *entry)
{
    struct rm *rm = restoration->rm;
    struct object *object = object_new(rm);
    struct record_object record;
    struct blob context = {0};

    if (!object)
        return false;
    restoration->made[entry->cell] = object;
    memcpy(&record, entry->record, sizeof(record));
    if (!read_blob(restoration, record.saved, entry->cell, &object->mark, 0, &context)
        || (!blob_empty(&context) && !object_take_context(rm, object, &context)))
        return false;
    if (record.physical != OBJECT_NOT_LOADED)
        object_set_physical(rm, object, record.physical);
    object->immutable = record.immutable;
    object->sequence = record.sequence;
    object_set_name(rm, object, record.name, record.name_size);
    return true;
}

static bool restore_handle(struct restoration *restoration, const struct restore_entry *entry)
{
    struct record_handle record;
    struct rm_client *client;
    struct object *object;

    memcpy(&record, entry->record, sizeof(record));
    client = restoration->made[record.holder.cell];
    object = restoration->made[record.object.cell];
    if (!handles_reserve(restoration->rm, &client->handles))
        return false;
    handles_append(restoration->rm, &client->handles, record.handle, object);
    object_note_user(object, client->number, client->user->uid);
    return true;
}

/* Whose the session is: the counts of clients and users follow. */
static bool charge_session(struct restoration *restoration, struct session *session,
                           const struct record_session *record)
{
    session->uid = record->uid;
    switch (session->state) {
    case SESSION_ACTIVE:
    case SESSION_CLIENT_SAVED:
        session_set_owner(restoration->rm, session, restoration->made[record->owner.cell]);
        return true;
    case SESSION_ABANDONED:
        session->user = rm_user_get(restoration->rm, record->account);
        if (session->user)
            session->user->abandoned++;
        return session->user != NULL;
    case SESSION_DOOMED:
    case SESSION_GONE:
        return true;
    }
    return true;
}

/* The manager's time goes on behind all that was noted of it. */
static void note_times(struct rm *rm, struct session *session, uint64_t held_since)
{
    struct tpms_context context;

    session->held_since = held_since;
    if (rm->clock <= held_since)
        rm->clock = held_since + 1;
    if (!tpms_context_parse(&context, session->saved.bytes, session->saved.size))
        return;
    session->sequence = context.sequence;
    if (rm->newest_sequence < context.sequence)
        rm->newest_sequence = context.sequence;
}

static bool restore_session(struct restoration *restoration, const struct restore_entry *entry)
{
    struct rm *rm = restoration->rm;
    struct record_session record;
    struct session *session;

    memcpy(&record, entry->record, sizeof(record));
    session = session_new(rm);
    if (!session)
        return false;
    session_enter(rm, session, record.handle, (enum session_state)record.state);
    session_set_loaded(rm, session, record.loaded);
    session->context_used_up = record.used_up;
    restoration->sessions[restoration->session_count++] = session;
    if (!charge_session(restoration, session, &record)
        || !read_blob(restoration, record.saved, entry->cell, &session->mark, 0, &session->saved)
        || !read_blob(restoration, record.held, entry->cell, &session->mark, 1, &session->held))
        return false;
    note_times(rm, session, record.held_since);
    return true;
}

static bool restore_nothing(struct restoration *restoration, const struct restore_entry *entry)
{
    (void)restoration;
    (void)entry;
    return true;
}

/* Those that have nothing to do with the manager are the engine's. */
static restore_record *const makers[JOURNAL_KINDS] = {
    [JOURNAL_CHIP] = restore_chip,          [JOURNAL_RUN] = restore_nothing,
    [JOURNAL_IN] = restore_nothing,         [JOURNAL_OUT] = restore_nothing,
    [JOURNAL_HOLDER] = restore_holder,      [JOURNAL_OBJECT] = restore_object,
    [JOURNAL_HANDLE] = restore_handle,      [JOURNAL_SESSION] = restore_session,
    [JOURNAL_CONNECTION] = restore_nothing,
};

static int compare_sessions(const void *left, const void *right)
{
    const struct session *a = *(struct session *const *)left, *b = *(struct session *const *)right;

    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* Saved sessions stand in the order in which they were saved, which their contexts tell. */
static void sort_sessions(struct restoration *restoration)
{
    if (restoration->session_count < 2)
        return;
    qsort(restoration->sessions, restoration->session_count, sizeof(*restoration->sessions),
          compare_sessions);
    for (uint32_t i = 0; i < restoration->session_count; i++) {
        list_remove(&restoration->sessions[i]->link);
        list_insert_before(&restoration->rm->sessions, &restoration->sessions[i]->link);
    }
}

static bool restore_all(struct restoration *restoration, const struct restore_survey *survey)
{
    for (uint32_t i = 0; i < survey->count; i++) {
        const struct restore_entry *entry = &survey->entries[i];

        if (!makers[entry->kind](restoration, entry))
            return false;
        /* Nobody reads the journal before it is complete. */
        journal_commit(restoration->rm->journal);
    }
    sort_sessions(restoration);
    return true;
}

bool restore_books(struct rm *rm, const struct journal_image *image)
{
    struct restoration restoration = {.rm = rm, .image = image};
    struct restore_survey survey;
    bool made;

    if (restore_survey_make(&survey, image) != JOURNAL_GOOD)
        return false;
    restoration.made = calloc((size_t)image->cells + 1, sizeof(*restoration.made));
    restoration.sessions = calloc((size_t)survey.count + 1, sizeof(struct session *));
    made = restoration.made && restoration.sessions && restore_all(&restoration, &survey);
    free(restoration.made);
    free(restoration.sessions);
    restore_survey_clear(&survey);
    return made;
}

void restore_ledger(struct rm *rm, struct ledger *ledger)
{
    ledger_clear(ledger);
    rm_set_ledger(rm, ledger);
    list_for_each (link, &rm->sessions) {
        ledger_add(ledger, list_entry(link, struct session, link)->handle);
    }
}

void restore_undo(struct rm *rm)
{
    /* What the chip has of the sessions is not ended by that. */
    rm->ledger = NULL;
    list_for_each (link, &rm->sessions) {
        session_apply(rm, list_entry(link, struct session, link), SESSION_EVENT_ENDED);
    }
    list_for_each (link, &rm->clients) {
        rm_client_free(list_entry(link, struct rm_client, link));
    }
}

void restore_lost_answer(struct rm_client *client, uint8_t *bytes, size_t size)
{
    struct command command;

    if (command_parse(&command, &client->rm->chip.commands, bytes, size) == TPM2_RC_SUCCESS)
        client_lose_named(client, &command);
}
