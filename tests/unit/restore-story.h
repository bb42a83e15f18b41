/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal that was made by hand, with a record of each kind and in each state: what a manager's
 * books must be made of. A test may spoil a record before the story is told.
 */
#pragma once

#include "plain-journal.h"
#include "rm/restore.h"
#include "rm/state.h"

#define STORY_CONTEXT 40 /* bytes of each context */

/* Something that has a record, whose lines are those of `bytes`. */
struct story_note {
    struct journal_mark mark;
    union {
        uint8_t payload[JOURNAL_PAYLOAD];
        struct record_holder holder;
        struct record_object object;
        struct record_handle handle;
        struct record_session session;
        struct record_connection connection;
    };
    uint8_t bytes[2][STORY_CONTEXT];
    size_t sizes[2];
    uint32_t lines[2];
};

/* Names of clients, objects, sessions and handles; the number of each kind at the end. */
enum { ALICE, BOB, STORY_HOLDERS };
enum { BARE, CLEAN, OUT, SEQUENCE, SAVED_SEQUENCE, ORPHAN, UNMADE, STORY_OBJECTS };
enum { HERE, AWAY, HELD, REFRESHED, LEFT, ENDING, LOST, UNSTARTED, STORY_SESSIONS };
enum {
    ALICE_BARE,
    ALICE_CLEAN,
    ALICE_OUT,
    BOB_OUT,
    BOB_SEQUENCE,
    BOB_SAVED_SEQUENCE,
    STORY_HANDLES
};

struct story {
    struct plain_journal plain;
    struct story_note holders[STORY_HOLDERS], objects[STORY_OBJECTS], handles[STORY_HANDLES],
        sessions[STORY_SESSIONS], connections[STORY_HOLDERS];
    struct record_chip chip;
    struct record_run run;
    struct record_move in, out;
};

/* What the records say. */
#define STORY_COOKIE(holder)      (UINT64_C(0x1122334455667700) + (holder))
#define STORY_PHYSICAL(object)    (0x80000010 + (uint32_t)(object))
#define STORY_SESSION(session)    (0x02000000 + (uint32_t)(session))
#define STORY_HANDLE(handle)      (0x80000100 - (uint32_t)(handle))
#define STORY_HELD_SINCE(session) (1000 + (uint64_t)(session))

/* A manager whose chip must not be asked: books are made of the journal alone. */
struct rm *story_manager(void);

/* Makes the journal with all cells, which nothing has committed yet. */
void story_begin(struct story *story);
void story_end(struct story *story);

/* Another cell for a note, of the kind; it is part of the next commit. */
void story_open(struct story *story, struct story_note *note, enum journal_kind kind);

/* A context that TPM2_ContextSave may have given, as bytes number `which` of a note. */
void story_keep(struct story_note *note, unsigned which, uint64_t sequence, uint32_t saved_handle);

/* Commits all records as they are now, and reads the journal; the test fails when it is not good by
 * itself. */
void story_tell(struct story *story, struct journal_image *image);
