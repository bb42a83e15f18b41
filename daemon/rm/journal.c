/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/journal.h"

#include "rm/journal-layout.h"
#include "rm/shelf.h"

#include <assert.h>
#include <stdlib.h>

/* Cells that are backed in one go: 64 KiB. */
#define CELLS_STEP 512

/* The part of the memory that cells may take; the shelf may take the rest. */
#define CELLS_PART 8

/* Cells 1 to this one have the records of which there is one each. */
#define LAST_FIXED_CELL ((uint32_t)JOURNAL_OUT)

struct journal {
    const struct journal_memory *memory;
    struct journal_header *header;
    struct journal_cell *cells;
    uint16_t *serials;
    uint32_t *free; /* cells; in the part behind, those that the next commit makes free */
    uint32_t free_count, returned_count;
    uint32_t backed, most; /* cells that there are, number 0 among them */
    struct shelf shelf;
    struct list dirty;
    journal_noter *noters[JOURNAL_KINDS];
    struct record_run run;
    bool noted; /* there are notes since the last commit */
};

static size_t page_up(size_t size)
{
    return (size + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
}

/* Backs one more step of cells. The numbers of those that are free are at the start of `free`, of
 * those that are given back at its end; it has room for all. */
static bool back_cells(struct journal *journal)
{
    uint32_t before = journal->backed, wanted = before + CELLS_STEP;
    uint16_t *serials;
    uint32_t *list;

    if (wanted > journal->most)
        return false;
    serials = reallocarray(journal->serials, wanted, sizeof(*serials));
    if (!serials)
        return false;
    journal->serials = serials;
    list = reallocarray(journal->free, wanted, sizeof(*list));
    if (!list)
        return false;
    journal->free = list;
    if (!journal->memory->make_room(journal->memory->data,
                                    journal->header->cells_at
                                        + (size_t)before * sizeof(struct journal_cell),
                                    (size_t)CELLS_STEP * sizeof(struct journal_cell)))
        return false;
    memset(serials + before, 0, CELLS_STEP * sizeof(*serials));
    memmove(list + wanted - journal->returned_count, list + before - journal->returned_count,
            journal->returned_count * sizeof(*list));
    for (uint32_t cell = wanted - 1; cell >= before && cell > LAST_FIXED_CELL; cell--)
        list[journal->free_count++] = cell;
    journal->backed = wanted;
    journal->header->cells = wanted - 1;
    return true;
}

static void fill_header(struct journal *journal, const struct journal_config *config)
{
    struct journal_header *header = journal->header;
    size_t at = JOURNAL_PAGE;

    header->magic = JOURNAL_MAGIC;
    header->version = JOURNAL_VERSION;
    header->layout = journal_layout();
    header->owner = config->owner;
    header->generation = config->generation;
    header->seats = config->seats;
    header->desk_size = config->desk;
    header->seats_at = at;
    at += page_up((size_t)config->seats * JOURNAL_SEAT);
    header->desk_at = at;
    at += page_up(config->desk);
    header->cells_at = at;
    at += journal->memory->capacity / CELLS_PART / JOURNAL_PAGE * JOURNAL_PAGE;
    header->shelf_at = at;
    header->check = journal_header_check(header);
    journal->most = (uint32_t)((header->shelf_at - header->cells_at) / sizeof(struct journal_cell));
    journal->cells = (struct journal_cell *)(void *)(journal->memory->bytes + header->cells_at);
}

/* See journal_note_move(). */
static void fill_hot_cells(struct journal *journal)
{
    for (uint32_t cell = JOURNAL_RUN; cell <= JOURNAL_OUT; cell++) {
        for (unsigned i = 0; i < 2; i++)
            journal->cells[cell].halves[i].kind = (uint16_t)cell;
    }
}

/* The header, seats and desk are backed first, as fill_header() lays them out. */
static bool back_areas(const struct journal_memory *memory, const struct journal_config *config)
{
    size_t seats = (size_t)config->seats * JOURNAL_SEAT, size;

    size = JOURNAL_PAGE + page_up(seats) + page_up(config->desk);
    return size < memory->capacity / 2 && memory->make_room(memory->data, 0, size);
}

struct journal *journal_new(const struct journal_memory *memory,
                            const struct journal_config *config)
{
    struct journal *journal = calloc(1, sizeof(*journal));

    if (!journal)
        return NULL;
    list_init(&journal->dirty);
    journal->memory = memory;
    if (!back_areas(memory, config)) {
        free(journal);
        return NULL;
    }
    journal->header = (struct journal_header *)(void *)memory->bytes;
    fill_header(journal, config);
    if (!back_cells(journal)
        || !shelf_init(&journal->shelf, memory, journal->header->shelf_at,
                       &journal->header->lines)) {
        journal_free(journal);
        return NULL;
    }
    fill_hot_cells(journal);
    return journal;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    shelf_clear(&journal->shelf);
    free(journal->serials);
    free(journal->free);
    free(journal);
}

void journal_set_noter(struct journal *journal, enum journal_kind kind, journal_noter *noter)
{
    if (journal)
        journal->noters[kind] = noter;
}

uint32_t journal_take_cell(struct journal *journal)
{
    uint32_t cell;

    if (!journal || (journal->free_count == 0 && !back_cells(journal)))
        return 0;
    cell = journal->free[--journal->free_count];
    journal->serials[cell]++;
    return cell;
}

/* The half of the cell that the next commit makes valid: the one that is noted already, else the
 * older one. */
static struct journal_half *next_half(const struct journal *journal, uint32_t cell)
{
    struct journal_half *halves = journal->cells[cell].halves;
    uint64_t next = journal->header->committed + 1;

    if (halves[0].group == next)
        return &halves[0];
    if (halves[1].group == next)
        return &halves[1];
    return halves[0].group < halves[1].group ? &halves[0] : &halves[1];
}

/* The half for the next commit, which the caller fills. */
static struct journal_half *begin_half(struct journal *journal, uint32_t cell)
{
    struct journal_half *half = next_half(journal, cell);

    half->group = journal->header->committed + 1;
    journal->noted = true;
    return half;
}

void journal_put(struct journal *journal, uint32_t cell, enum journal_kind kind,
                 const void *payload, size_t size)
{
    struct journal_half *half;

    if (!journal || cell == 0)
        return;
    assert(cell < journal->backed && size <= JOURNAL_PAYLOAD);
    half = begin_half(journal, cell);
    half->kind = (uint16_t)kind;
    half->serial = journal->serials[cell];
    memcpy(half->payload, payload, size);
    memset(half->payload + size, 0, JOURNAL_PAYLOAD - size);
    half->check = journal_half_check(half, cell);
}

void journal_give_back(struct journal *journal, uint32_t cell)
{
    if (!journal || cell == 0)
        return;
    journal_put(journal, cell, JOURNAL_FREE, &(char){0}, 0);
    journal->returned_count++;
    journal->free[journal->backed - journal->returned_count] = cell;
}

void journal_note_chip(struct journal *journal, const struct record_chip *chip)
{
    journal_put(journal, JOURNAL_CHIP, JOURNAL_CHIP, chip, sizeof(*chip));
}

/* The records that change with each command have no check (journal_is_hot()); their halves have
 * their kinds from the start, and zeros behind the record. */
void journal_note_move(struct journal *journal, enum journal_kind kind,
                       const struct record_move *move)
{
    if (!journal)
        return;
    assert(kind == JOURNAL_IN || kind == JOURNAL_OUT);
    memcpy(begin_half(journal, kind)->payload, move, sizeof(*move));
}

static void note_run(struct journal *journal)
{
    memcpy(begin_half(journal, JOURNAL_RUN)->payload, &journal->run, sizeof(journal->run));
}

void journal_run(struct journal *journal, const struct record_run *run)
{
    if (!journal)
        return;
    journal->run = *run;
    note_run(journal);
}

void journal_run_phase(struct journal *journal, enum run_phase phase)
{
    if (!journal || journal->run.phase == RUN_NONE)
        return;
    journal->run.phase = (uint8_t)phase;
    note_run(journal);
}

void journal_run_answered(struct journal *journal, size_t size)
{
    if (!journal || journal->run.phase == RUN_NONE)
        return;
    journal->run.response = (uint32_t)size;
    journal->run.phase = RUN_ANSWERED;
    note_run(journal);
}

static bool is_dirty(const struct journal_mark *mark)
{
    return mark->dirty.next != NULL;
}

static void clean_mark(struct journal_mark *mark)
{
    list_remove(&mark->dirty);
    mark->dirty = (struct list){0};
}

bool journal_open(struct journal *journal, struct journal_mark *mark, enum journal_kind kind)
{
    uint32_t cell;

    if (!journal)
        return true;
    cell = journal_take_cell(journal);
    if (cell == 0)
        return false;
    *mark = (struct journal_mark){.cell = {cell, journal->serials[cell]}, .kind = (uint16_t)kind};
    journal_touch(journal, mark);
    return true;
}

void journal_touch(struct journal *journal, struct journal_mark *mark)
{
    if (!journal || mark->cell.cell == 0 || is_dirty(mark))
        return;
    list_insert_before(&journal->dirty, &mark->dirty);
}

void journal_close(struct journal *journal, struct journal_mark *mark)
{
    if (!journal || mark->cell.cell == 0)
        return;
    if (is_dirty(mark))
        clean_mark(mark);
    for (unsigned i = 0; i < 2; i++) {
        if (mark->lines[i])
            shelf_drop(&journal->shelf, mark->lines[i]);
        shelf_claim(&journal->shelf, &mark->claims[i], 0);
    }
    journal_give_back(journal, mark->cell.cell);
    *mark = (struct journal_mark){0};
}

bool journal_claim(struct journal *journal, struct journal_mark *mark, unsigned which, size_t size)
{
    if (!journal || mark->cell.cell == 0)
        return true;
    return shelf_claim(&journal->shelf, &mark->claims[which], size);
}

uint32_t journal_keep(struct journal *journal, struct journal_mark *mark, unsigned which,
                      uint32_t *line, const uint8_t *bytes, size_t size)
{
    uint32_t before = mark->lines[which];

    if (size == 0)
        *line = 0;
    else if (*line == 0 || *line != before)
        *line = shelf_put(&journal->shelf, mark->cell.cell, bytes, size, &mark->claims[which]);
    if (before && before != *line)
        shelf_drop(&journal->shelf, before);
    mark->lines[which] = *line;
    return *line;
}

static void note_mark(struct journal *journal, struct journal_mark *mark)
{
    uint64_t payload[JOURNAL_PAYLOAD / sizeof(uint64_t)] = {0};

    clean_mark(mark);
    journal->noters[mark->kind](journal, mark, payload);
    journal_put(journal, mark->cell.cell, (enum journal_kind)mark->kind, payload, sizeof(payload));
}

/* The cells that were given back are free from now on. */
static void free_returned(struct journal *journal)
{
    for (; journal->returned_count > 0; journal->returned_count--)
        journal->free[journal->free_count++] =
            journal->free[journal->backed - journal->returned_count];
}

/*
 * A process that is killed has made all stores before that instant and none after it, in the order
 * of its instructions. So it is the compiler alone that must not move a store over the commit.
 */
static void make_valid(struct journal *journal)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *(volatile uint64_t *)&journal->header->committed = journal->header->committed + 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void journal_commit(struct journal *journal)
{
    if (!journal || (list_empty(&journal->dirty) && !journal->noted))
        return;
    while (!list_empty(&journal->dirty))
        note_mark(journal, list_entry(journal->dirty.next, struct journal_mark, dirty));
    make_valid(journal);
    journal->noted = false;
    if (journal->returned_count)
        free_returned(journal);
    if (journal->shelf.dropped_count)
        shelf_clean(&journal->shelf);
}

void *journal_seats(struct journal *journal)
{
    return journal ? journal->memory->bytes + journal->header->seats_at : NULL;
}

uint8_t *journal_desk(struct journal *journal)
{
    return journal ? journal->memory->bytes + journal->header->desk_at : NULL;
}

void journal_complete(struct journal *journal)
{
    if (journal)
        *(volatile uint32_t *)&journal->header->complete = 1;
}

void journal_end(struct journal *journal)
{
    if (journal)
        *(volatile uint32_t *)&journal->header->ended = 1;
}

struct journal_facts *journal_facts(struct journal *journal)
{
    return journal ? &journal->header->facts : NULL;
}
