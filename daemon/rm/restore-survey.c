/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/restore-survey.h"

#include "rm/session.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <stdlib.h>

/* Keys above all handles, for objects that are not in the chip. */
#define KEY_OF_CELL(cell) ((uint64_t)1 << 32 | (cell))

struct survey_check {
    const struct journal_image *image;
    struct restore_survey *survey;
    uint8_t *named; /* by cell: an object that a handle names */
};

/* Whether a record is as it should be. Its key goes to *key, and stays 0 of what has no content. */
typedef bool survey_rule(const struct survey_check *check, uint32_t cell, const void *record,
                         uint64_t *key);

/* The record that a reference leads to, or NULL. */
static const void *refer(const struct survey_check *check, struct journal_ref ref,
                         enum journal_kind wanted)
{
    enum journal_kind kind;
    uint32_t serial;
    const void *record = journal_image_record(check->image, ref.cell, &kind, &serial);

    return record && kind == wanted && serial == ref.serial ? record : NULL;
}

static bool is_bool(uint8_t value)
{
    return value <= 1;
}

/* The context in an extent of the cell. */
static bool read_context(const struct survey_check *check, uint32_t line, uint32_t cell,
                         struct tpms_context *context)
{
    size_t size;
    const uint8_t *bytes = journal_image_extent(check->image, line, cell, &size);

    return bytes && tpms_context_parse(context, bytes, size);
}

static bool survey_holder(const struct survey_check *check, uint32_t cell, const void *record,
                          uint64_t *key)
{
    struct record_holder holder;

    (void)check;
    (void)cell;
    memcpy(&holder, record, sizeof(holder));
    *key = holder.cookie;
    return holder.cookie != 0 && holder.number < RESTORE_SURVEY_MOST
           && holder.next <= HANDLE_INDEX_MASK;
}

static bool is_object_context(const struct survey_check *check, uint32_t cell,
                              const struct record_object *object)
{
    struct tpms_context context;

    return read_context(check, object->saved, cell, &context)
           && context.saved_handle >= CONTEXT_OBJECT && context.saved_handle <= CONTEXT_STCLEAR
           && object->immutable == (context.saved_handle != CONTEXT_SEQUENCE);
}

static bool survey_object(const struct survey_check *check, uint32_t cell, const void *record,
                          uint64_t *key)
{
    struct record_object object;

    memcpy(&object, record, sizeof(object));
    if (!is_bool(object.immutable) || !is_bool(object.sequence) || object.name_size > RECORD_NAME)
        return false;
    if (object.physical == 0 && object.saved == 0)
        return !check->named[cell];
    if (object.saved != 0 && !is_object_context(check, cell, &object))
        return false;
    *key = object.physical ? object.physical : KEY_OF_CELL(cell);
    return object.physical ? handle_is_transient(object.physical) : check->named[cell];
}

static bool survey_handle(const struct survey_check *check, uint32_t cell, const void *record,
                          uint64_t *key)
{
    struct record_handle handle;

    (void)cell;
    memcpy(&handle, record, sizeof(handle));
    if (!refer(check, handle.holder, JOURNAL_HOLDER) || !refer(check, handle.object, JOURNAL_OBJECT)
        || !handle_is_transient(handle.handle))
        return false;
    check->named[handle.object.cell] = 1;
    *key = (uint64_t)handle.holder.cell << 32 | handle.handle;
    return true;
}

/* A line of 0, or the context of this session. */
static bool is_session_context(const struct survey_check *check, uint32_t cell, uint32_t line,
                               uint32_t handle)
{
    struct tpms_context context;

    return line == 0
           || (read_context(check, line, cell, &context) && handle_is_session(context.saved_handle)
               && ((context.saved_handle ^ handle) & HANDLE_INDEX_MASK) == 0);
}

/* Whose the session is. */
static bool is_owned_rightly(const struct survey_check *check, const struct record_session *session)
{
    const void *record = refer(check, session->owner, JOURNAL_HOLDER);
    struct record_holder holder;

    if (session->state == SESSION_ABANDONED || session->state == SESSION_DOOMED)
        return session->owner.cell == 0;
    if (!record)
        return false;
    memcpy(&holder, record, sizeof(holder));
    return session->uid == holder.uid && session->account == holder.account;
}

/* Where the session is: in a slot, or in the context that is good for one load; and what its client
 * has of it. The context of a doomed session may be lost. */
static bool is_kept_rightly(const struct survey_check *check, uint32_t cell,
                            const struct record_session *session)
{
    bool client_has = session->state == SESSION_CLIENT_SAVED || session->state == SESSION_ABANDONED;

    if (!is_session_context(check, cell, session->saved, session->handle)
        || !is_session_context(check, cell, session->held, session->handle))
        return false;
    if (session->loaded)
        return session->saved == 0 && !session->used_up
               && (session->state == SESSION_DOOMED || client_has == (session->held != 0));
    return session->state == SESSION_DOOMED
           || (session->saved != 0 && client_has == (session->held != 0));
}

static bool survey_session(const struct survey_check *check, uint32_t cell, const void *record,
                           uint64_t *key)
{
    struct record_session session;

    memcpy(&session, record, sizeof(session));
    if (session.handle == 0)
        return session.owner.cell == 0 && session.saved == 0 && session.held == 0
               && session.loaded == 0;
    /* The first session's index is 0. */
    *key = (session.handle & HANDLE_INDEX_MASK) + 1;
    return handle_is_session(session.handle) && session.state < SESSION_GONE
           && is_bool(session.loaded) && is_bool(session.used_up)
           && session.held_since < RESTORE_SURVEY_MOST && is_owned_rightly(check, &session)
           && is_kept_rightly(check, cell, &session);
}

static bool survey_connection(const struct survey_check *check, uint32_t cell, const void *record,
                              uint64_t *key)
{
    struct record_connection connection;
    size_t size;

    memcpy(&connection, record, sizeof(connection));
    *key = connection.cookie;
    return connection.cookie != 0 && connection.number < RESTORE_SURVEY_MOST
           && is_bool(connection.member) && connection.locality <= 4
           && (connection.in == 0 || journal_image_extent(check->image, connection.in, cell, &size))
           && (connection.out == 0
               || journal_image_extent(check->image, connection.out, cell, &size));
}

static bool survey_run(const struct survey_check *check, uint32_t cell, const void *record,
                       uint64_t *key)
{
    struct record_run run;

    (void)check;
    memcpy(&run, record, sizeof(run));
    *key = cell;
    return run.phase <= RUN_ANSWERED;
}

static bool survey_move(const struct survey_check *check, uint32_t cell, const void *record,
                        uint64_t *key)
{
    struct record_move move;

    (void)check;
    memcpy(&move, record, sizeof(move));
    *key = cell;
    return move.buffer < DESK_BUFFERS;
}

static bool survey_chip(const struct survey_check *check, uint32_t cell, const void *record,
                        uint64_t *key)
{
    (void)check;
    (void)record;
    *key = cell;
    return true;
}

static survey_rule *const rules[JOURNAL_KINDS] = {
    [JOURNAL_CHIP] = survey_chip,
    [JOURNAL_RUN] = survey_run,
    [JOURNAL_IN] = survey_move,
    [JOURNAL_OUT] = survey_move,
    [JOURNAL_HOLDER] = survey_holder,
    [JOURNAL_OBJECT] = survey_object,
    [JOURNAL_HANDLE] = survey_handle,
    [JOURNAL_SESSION] = survey_session,
    [JOURNAL_CONNECTION] = survey_connection,
};

/* Checks and enters the handles, or all but the handles, which need to know what handles name. */
static bool enter_records(const struct survey_check *check, bool handles)
{
    struct restore_survey *survey = check->survey;

    for (uint32_t cell = 1; cell <= check->image->cells; cell++) {
        struct restore_entry entry = {.cell = cell};
        uint32_t serial;

        entry.record = journal_image_record(check->image, cell, &entry.kind, &serial);
        if (!entry.record || (entry.kind == JOURNAL_HANDLE) != handles)
            continue;
        if (!rules[entry.kind] || !rules[entry.kind](check, cell, entry.record, &entry.key))
            return false;
        if (entry.key != 0)
            survey->entries[survey->count++] = entry;
    }
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct restore_entry *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

static bool sort_records(struct restore_survey *survey)
{
    qsort(survey->entries, survey->count, sizeof(*survey->entries), compare);
    for (uint32_t i = 1; i < survey->count; i++) {
        if (compare(&survey->entries[i - 1], &survey->entries[i]) == 0)
            return false;
    }
    return true;
}

enum journal_verdict restore_survey_make(struct restore_survey *survey,
                                         const struct journal_image *image)
{
    struct survey_check check = {.image = image, .survey = survey};
    bool good;

    *survey = (struct restore_survey){
        .entries = calloc((size_t)image->cells + 1, sizeof(*survey->entries))};
    check.named = calloc((size_t)image->cells + 1, 1);
    if (!survey->entries || !check.named) {
        free(check.named);
        restore_survey_clear(survey);
        return JOURNAL_MEMORY;
    }
    good = enter_records(&check, true) && enter_records(&check, false) && sort_records(survey);
    free(check.named);
    if (good)
        return JOURNAL_GOOD;
    restore_survey_clear(survey);
    return JOURNAL_DAMAGED;
}

void restore_survey_clear(struct restore_survey *survey)
{
    free(survey->entries);
    *survey = (struct restore_survey){0};
}
