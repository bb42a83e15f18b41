/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore-story.h"

#include "wire/bytes.h"
#include "wire/tpms-context.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CAPACITY (4 * 1024 * 1024)

/* A chip that nobody asks: books are made of the journal alone. */
static int chip_transact(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                         uint8_t *response, size_t capacity, size_t *response_size)
{
    (void)tpm, (void)locality, (void)command, (void)size;
    (void)response, (void)capacity, (void)response_size;
    fail_msg("the chip is asked");
    return -1;
}

static bool chip_backoff(struct rm_tpm *tpm, unsigned attempt)
{
    (void)tpm, (void)attempt;
    return false;
}

struct rm *story_manager(void)
{
    static struct rm_tpm tpm = {chip_transact, chip_backoff};
    static const struct rm_limits limits = {
        .objects_per_client = 64, .sessions_per_client = 64, .abandoned_per_uid = 16};
    struct chip facts = {.max_command = CHIP_MIN_BUFFER,
                         .max_response = CHIP_MIN_BUFFER,
                         .object_slots = 3,
                         .session_slots = 3,
                         .active_sessions = 64,
                         .context_gap = 1000,
                         .reset_count = 12};
    struct rm *rm;

    assert_true(command_table_add(&facts.commands, TPM2_CC_ContextLoad));
    assert_true(
        command_table_add(&facts.commands, TPM2_CC_SequenceUpdate | 1 << TPMA_CC_CHANDLES_SHIFT));
    rm = rm_new(&tpm, &facts, &limits);
    assert_non_null(rm);
    return rm;
}

static void note_story(struct journal *journal, struct journal_mark *mark, void *payload)
{
    struct story_note *note = list_entry(mark, struct story_note, mark);
    uint32_t lines[2];

    for (unsigned i = 0; i < 2; i++) {
        if (note->lines[i] == 0)
            assert_true(journal_claim(journal, mark, i, note->sizes[i]));
        lines[i] = journal_keep(journal, mark, i, &note->lines[i], note->bytes[i], note->sizes[i]);
    }
    memcpy(payload, note->payload, sizeof(note->payload));
    if (mark->kind == JOURNAL_OBJECT) {
        ((struct record_object *)payload)->saved = lines[0];
    } else if (mark->kind == JOURNAL_SESSION) {
        ((struct record_session *)payload)->saved = lines[0];
        ((struct record_session *)payload)->held = lines[1];
    } else if (mark->kind == JOURNAL_CONNECTION) {
        ((struct record_connection *)payload)->in = lines[0];
        ((struct record_connection *)payload)->out = lines[1];
    }
}

void story_open(struct story *story, struct story_note *note, enum journal_kind kind)
{
    assert_true(journal_open(story->plain.journal, &note->mark, kind));
}

void story_keep(struct story_note *note, unsigned which, uint64_t sequence, uint32_t saved_handle)
{
    uint8_t *bytes = note->bytes[which];

    store_be32(bytes, (uint32_t)(sequence >> 32));
    store_be32(bytes + 4, (uint32_t)sequence);
    store_be32(bytes + 8, saved_handle);
    store_be32(bytes + 12, 0x40000001);
    store_be16(bytes + 16, STORY_CONTEXT - CONTEXT_HEADER_BYTES);
    memset(bytes + CONTEXT_HEADER_BYTES, (int)(sequence & 0xFF),
           STORY_CONTEXT - CONTEXT_HEADER_BYTES);
    note->sizes[which] = STORY_CONTEXT;
    note->lines[which] = 0;
}

static void add_holders(struct story *story)
{
    for (unsigned i = 0; i < STORY_HOLDERS; i++) {
        story->holders[i].holder = (struct record_holder){.cookie = STORY_COOKIE(i),
                                                          .number = 70 + i,
                                                          .uid = 1000 + i,
                                                          .account = 1000,
                                                          .next = 0x200 + i};
        story->connections[i].connection =
            (struct record_connection){.cookie = STORY_COOKIE(i), .number = 70 + i, .locality = 3};
        memcpy(story->connections[i].bytes[0], "\x80\x01", 2);
        story->connections[i].sizes[0] = 2 * i;
        story_open(story, &story->holders[i], JOURNAL_HOLDER);
        story_open(story, &story->connections[i], JOURNAL_CONNECTION);
    }
}

static void add_objects(struct story *story)
{
    struct story_note *objects = story->objects;

    for (unsigned i = 0; i < STORY_OBJECTS; i++) {
        struct record_object *record = &objects[i].object;

        story_open(story, &objects[i], JOURNAL_OBJECT);
        if (i != OUT && i != SAVED_SEQUENCE && i != UNMADE)
            record->physical = STORY_PHYSICAL(i);
        record->sequence = i == SEQUENCE || i == SAVED_SEQUENCE;
        record->immutable = i == CLEAN || i == OUT || i == ORPHAN;
    }
    objects[BARE].object.name_size = RECORD_NAME;
    memset(objects[BARE].object.name, 0x4E, RECORD_NAME);
    story_keep(&objects[CLEAN], 0, 5, CONTEXT_OBJECT);
    story_keep(&objects[OUT], 0, 6, CONTEXT_STCLEAR);
    story_keep(&objects[SAVED_SEQUENCE], 0, 7, CONTEXT_SEQUENCE);
    story_keep(&objects[ORPHAN], 0, 8, CONTEXT_OBJECT);
}

static void add_handles(struct story *story)
{
    static const unsigned holders[] = {ALICE, ALICE, ALICE, BOB, BOB, BOB};
    static const unsigned objects[] = {BARE, CLEAN, OUT, OUT, SEQUENCE, SAVED_SEQUENCE};

    for (unsigned i = 0; i < STORY_HANDLES; i++) {
        story->handles[i].handle =
            (struct record_handle){story->holders[holders[i]].mark.cell,
                                   story->objects[objects[i]].mark.cell, STORY_HANDLE(i)};
        story_open(story, &story->handles[i], JOURNAL_HANDLE);
    }
}

static void add_sessions(struct story *story)
{
    static const enum session_state states[] = {
        SESSION_ACTIVE,    SESSION_ACTIVE, SESSION_CLIENT_SAVED, SESSION_CLIENT_SAVED,
        SESSION_ABANDONED, SESSION_DOOMED, SESSION_DOOMED,       SESSION_ACTIVE};

    for (unsigned i = 0; i < UNSTARTED; i++) {
        struct story_note *note = &story->sessions[i];
        struct record_session *record = &note->session;
        bool owned = states[i] == SESSION_ACTIVE || states[i] == SESSION_CLIENT_SAVED;

        *record = (struct record_session){.handle = STORY_SESSION(i),
                                          .state = (uint8_t)states[i],
                                          .uid = 1001,
                                          .account = states[i] == SESSION_DOOMED ? 0 : 1000,
                                          .loaded = i == HERE || i == ENDING,
                                          .used_up = i == AWAY,
                                          .held_since = STORY_HELD_SINCE(i)};
        if (owned)
            record->owner = story->holders[BOB].mark.cell;
        if (!record->loaded && i != LOST)
            story_keep(note, 0, 100 - i, STORY_SESSION(i));
        if (i == HELD || i == REFRESHED || i == LEFT)
            story_keep(note, 1, i == REFRESHED ? 50 : 100 - i, STORY_SESSION(i));
    }
    for (unsigned i = 0; i < STORY_SESSIONS; i++)
        story_open(story, &story->sessions[i], JOURNAL_SESSION);
}

void story_begin(struct story *story)
{
    static const struct journal_config config = {
        .owner = PLAIN_JOURNAL_OWNER, .generation = 1, .seats = 8, .desk = 8192};
    static const enum journal_kind kinds[] = {JOURNAL_HOLDER, JOURNAL_OBJECT, JOURNAL_HANDLE,
                                              JOURNAL_SESSION, JOURNAL_CONNECTION};

    *story = (struct story){.chip = {.reset_count = 9, .object_slots = 5, .session_slots = 2},
                            .run = {.cookie = STORY_COOKIE(BOB), .phase = RUN_TAKEN},
                            .in = {.cookie = STORY_COOKIE(ALICE), .buffer = DESK_SCRATCH},
                            .out = {.buffer = DESK_KEPT}};
    plain_journal_init(&story->plain, CAPACITY, &config);
    assert_non_null(story->plain.journal);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        journal_set_noter(story->plain.journal, kinds[i], note_story);
    add_holders(story);
    add_objects(story);
    add_handles(story);
    add_sessions(story);
    journal_complete(story->plain.journal);
}

void story_end(struct story *story)
{
    plain_journal_clear(&story->plain);
}

void story_tell(struct story *story, struct journal_image *image)
{
    struct journal *journal = story->plain.journal;

    journal_note_chip(journal, &story->chip);
    journal_note_move(journal, JOURNAL_IN, &story->in);
    journal_note_move(journal, JOURNAL_OUT, &story->out);
    journal_run(journal, &story->run);
    journal_commit(journal);
    assert_int_equal(journal_image_open(image, story->plain.memory.bytes,
                                        story->plain.memory.capacity, PLAIN_JOURNAL_OWNER),
                     JOURNAL_GOOD);
}
