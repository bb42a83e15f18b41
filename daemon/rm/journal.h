/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal: the books of the manager, and the connections of the engine, written down in memory
 * that outlives the process. The next daemon reads it (journal-image.h); the one that writes it
 * never does.
 *
 * A cell holds one record, in two halves of which one is committed. A note writes the other half;
 * journal_commit() makes all notes since the last commit valid by one store. So at each instant the
 * memory holds the state of one commit, whole. Bytes of any length are in extents of the shelf; a
 * record names its extents by their lines. What a committed record names is neither changed nor
 * given out again before the commit that drops it.
 *
 * What has a record embeds a mark. Whoever changes it touches the mark, and the commit writes the
 * record of what is there by then. Room is taken when a mark is opened, and for bytes when they are
 * claimed, so that a commit cannot fail. NULL is fine as a journal, and then nothing is kept. One
 * thread, but for seats.
 */
#pragma once

#include "base/list.h"
#include "rm/journal-records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* The memory, of which `capacity` bytes are mapped and 0 at first. make_room() backs so many bytes
 * from `offset` on with memory, and says false when there is none. */
struct journal_memory {
    uint8_t *bytes;
    size_t capacity;
    bool (*make_room)(void *data, size_t offset, size_t size);
    void *data;
};

/* What the memory is to have beside cells and shelf, and for whom it is. */
struct journal_config {
    uint64_t owner;      /* tells TPMs and names of daemons apart: another owner refuses it */
    uint64_t generation; /* of two journals that are good, the greater one counts */
    uint32_t seats;      /* records of connections, JOURNAL_SEAT bytes each */
    uint32_t desk;       /* bytes of buffers under the engine's own rule */
};

/* An empty journal in this memory, which is borrowed; not complete. NULL without memory. */
struct journal *journal_new(const struct journal_memory *memory,
                            const struct journal_config *config);

/* Frees the journal, not its memory. NULL is fine. */
void journal_free(struct journal *journal);

/* Of what has a record; all zero at first, and while there is no journal. */
struct journal_mark {
    struct list dirty;       /* to be noted by the next commit */
    struct journal_ref cell; /* cell 0: none */
    uint32_t lines[2];       /* of its extents in the newest note */
    uint32_t claims[2];      /* lines that are there for the next ones */
    uint16_t kind;
};

/* Fills the record of what `mark` is embedded in, JOURNAL_PAYLOAD bytes of zeros at first. */
typedef void journal_noter(struct journal *journal, struct journal_mark *mark, void *payload);

/* Records of this kind are filled by `noter`. */
void journal_set_noter(struct journal *journal, enum journal_kind kind, journal_noter *noter);

/* Gives the mark a cell, which is noted by the next commit. False without memory, and then the mark
 * is as it was. */
bool journal_open(struct journal *journal, struct journal_mark *mark, enum journal_kind kind);

/* The next commit notes the record again. No effect on a mark without a cell. */
void journal_touch(struct journal *journal, struct journal_mark *mark);

/* The next commit frees the cell and its extents; the mark is all zero. */
void journal_close(struct journal *journal, struct journal_mark *mark);

/* Claims room for up to `size` bytes as the record's next extent `which` (0 or 1), in place of what
 * was claimed for that before. It is there until bytes are copied to it, whatever is committed
 * meanwhile; 0 bytes give it back. False without memory, and then nothing changes. */
bool journal_claim(struct journal *journal, struct journal_mark *mark, unsigned which, size_t size);

/* For a noter: the line of the extent `which` with these bytes. *line, of the bytes' owner, is that
 * of an extent that has them already, or 0: then the bytes are copied to a new extent, for which
 * room was claimed, and its line goes there. `size` of 0: no extent, and the line is 0. An extent
 * that the record named before and does not name now is dropped. */
uint32_t journal_keep(struct journal *journal, struct journal_mark *mark, unsigned which,
                      uint32_t *line, const uint8_t *bytes, size_t size);

/* Cells for what is too small or moves too often for a mark: 0 without memory, or without a
 * journal. A record is part of the next commit, and may be put again; a cell that is given back is
 * free from the next commit on. */
uint32_t journal_take_cell(struct journal *journal);
void journal_put(struct journal *journal, uint32_t cell, enum journal_kind kind,
                 const void *payload, size_t size);
void journal_give_back(struct journal *journal, uint32_t cell);

/* The one record of JOURNAL_CHIP, _IN or _OUT: part of the next commit. */
void journal_note_chip(struct journal *journal, const struct record_chip *chip);
void journal_note_move(struct journal *journal, enum journal_kind kind,
                       const struct record_move *move);

/* The one record of JOURNAL_RUN. Where a command is at hand: its phase changes, or it is answered
 * with `size` bytes. */
void journal_run(struct journal *journal, const struct record_run *run);
void journal_run_phase(struct journal *journal, enum run_phase phase);
void journal_run_answered(struct journal *journal, size_t size);

/* Notes what is dirty and makes all notes valid. Cheap when there are none. */
void journal_commit(struct journal *journal);

/* Areas of the memory under rules of their own; NULL without a journal. */
void *journal_seats(struct journal *journal);
uint8_t *journal_desk(struct journal *journal);

/* The journal is all that the next daemon needs; or it is never to be read again. Each is one
 * store. */
void journal_complete(struct journal *journal);
void journal_end(struct journal *journal);

/* The header's words of the breaker of crash loops and of the bus; see struct journal_facts. */
struct journal_facts *journal_facts(struct journal *journal);
