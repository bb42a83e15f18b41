/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/shelf.h"

#include "rm/journal-layout.h"
#include "rm/journal.h"

#include <assert.h>
#include <stdlib.h>

/* Lines that are backed in one go: 64 KiB. */
#define SHELF_STEP 1024

#define SHELF_BITS 64

static bool shelf_is_used(const struct shelf *shelf, uint32_t line)
{
    return shelf->used[line / SHELF_BITS] >> line % SHELF_BITS & 1;
}

static void shelf_mark(struct shelf *shelf, uint32_t line, uint32_t count, bool used)
{
    for (uint32_t i = line; i < line + count; i++) {
        uint64_t bit = UINT64_C(1) << i % SHELF_BITS;

        if (used)
            shelf->used[i / SHELF_BITS] |= bit;
        else
            shelf->used[i / SHELF_BITS] &= ~bit;
    }
}

static struct journal_extent *shelf_extent(const struct shelf *shelf, uint32_t line)
{
    return (struct journal_extent *)(void *)(shelf->memory->bytes + shelf->at
                                             + (size_t)line * JOURNAL_LINE);
}

/* Backs lines, so that there are `lines` at the least. */
static bool shelf_back(struct shelf *shelf, uint64_t lines)
{
    uint64_t wanted = (lines + SHELF_STEP - 1) / SHELF_STEP * SHELF_STEP;
    uint64_t *used;

    if (lines <= shelf->backed)
        return true;
    if (wanted > shelf->most)
        wanted = shelf->most;
    if (wanted < lines)
        return false;
    used = reallocarray(shelf->used, (wanted + SHELF_BITS - 1) / SHELF_BITS, sizeof(*used));
    if (!used)
        return false;
    for (uint64_t i = (shelf->backed + SHELF_BITS - 1) / SHELF_BITS;
         i < (wanted + SHELF_BITS - 1) / SHELF_BITS; i++)
        used[i] = 0;
    shelf->used = used;
    if (!shelf->memory->make_room(shelf->memory->data,
                                  shelf->at + (size_t)shelf->backed * JOURNAL_LINE,
                                  (size_t)(wanted - shelf->backed) * JOURNAL_LINE))
        return false;
    shelf->backed = (uint32_t)wanted;
    return true;
}

bool shelf_init(struct shelf *shelf, const struct journal_memory *memory, size_t at,
                uint32_t *lines)
{
    size_t most = memory->capacity > at ? (memory->capacity - at) / JOURNAL_LINE : 0;

    *shelf = (struct shelf){
        .memory = memory,
        .at = at,
        .lines = lines,
        .most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX,
        .top = 1,
        .rover = 1,
    };
    if (!shelf_back(shelf, 1)) {
        shelf_clear(shelf);
        return false;
    }
    shelf_mark(shelf, 0, 1, true);
    return true;
}

void shelf_clear(struct shelf *shelf)
{
    free(shelf->used);
    free(shelf->dropped);
    *shelf = (struct shelf){0};
}

/* Room to note that each extent is dropped, and one more, so that dropping cannot fail. */
static bool shelf_room_to_drop(struct shelf *shelf)
{
    uint64_t wanted = (uint64_t)shelf->extents + shelf->claims + 1;
    uint32_t *dropped;

    if (wanted <= shelf->dropped_room)
        return true;
    wanted *= 2;
    dropped = wanted <= UINT32_MAX ? reallocarray(shelf->dropped, wanted, sizeof(*dropped)) : NULL;
    if (!dropped)
        return false;
    shelf->dropped = dropped;
    shelf->dropped_room = (uint32_t)wanted;
    return true;
}

/* Takes back what is claimed, and promises so many lines in its place. */
static void shelf_promise(struct shelf *shelf, uint32_t *claim, uint32_t lines)
{
    shelf->promised += lines - *claim;
    shelf->claims += (lines > 0) - (*claim > 0);
    *claim = lines;
}

bool shelf_claim(struct shelf *shelf, uint32_t *claim, size_t size)
{
    uint32_t lines = size ? journal_lines(size) : 0;

    if (size > UINT32_MAX / 2)
        return false;
    if (lines > *claim
        && (!shelf_room_to_drop(shelf)
            || !shelf_back(shelf, (uint64_t)shelf->top + shelf->promised - *claim + lines)))
        return false;
    shelf_promise(shelf, claim, lines);
    return true;
}

/* The first of `count` free lines between `from` and the end of what is in use; 0 for none. */
static uint32_t shelf_search(const struct shelf *shelf, uint32_t from, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t line = from; line < shelf->top; line++) {
        if (run == 0 && line % SHELF_BITS == 0 && shelf->used[line / SHELF_BITS] == UINT64_MAX) {
            line += SHELF_BITS - 1;
            continue;
        }
        run = shelf_is_used(shelf, line) ? 0 : run + 1;
        if (run == count)
            return line + 1 - count;
    }
    return 0;
}

/* Free lines; behind all that is in use there are some for sure. */
static uint32_t shelf_find(const struct shelf *shelf, uint32_t count)
{
    uint32_t line = shelf_search(shelf, shelf->rover, count);

    if (line == 0 && shelf->rover > 1)
        line = shelf_search(shelf, 1, count);
    return line ? line : shelf->top;
}

uint32_t shelf_put(struct shelf *shelf, uint32_t cell, const uint8_t *bytes, size_t size,
                   uint32_t *claim)
{
    uint32_t count = journal_lines(size), line = shelf_find(shelf, count);
    struct journal_extent *extent;

    assert(count <= *claim);
    shelf_promise(shelf, claim, 0);
    shelf_mark(shelf, line, count, true);
    shelf->rover = line + count;
    if (shelf->rover > shelf->top) {
        shelf->top = shelf->rover;
        if (shelf->top > *shelf->lines)
            *shelf->lines = shelf->top;
    }
    shelf->extents++;
    extent = shelf_extent(shelf, line);
    extent->size = (uint32_t)size;
    extent->cell = cell;
    memcpy(extent + 1, bytes, size);
    extent->check = journal_extent_check(extent);
    return line;
}

void shelf_drop(struct shelf *shelf, uint32_t line)
{
    assert(shelf->dropped_count < shelf->dropped_room);
    shelf->dropped[shelf->dropped_count++] = line;
}

void shelf_clean(struct shelf *shelf)
{
    while (shelf->dropped_count > 0) {
        uint32_t line = shelf->dropped[--shelf->dropped_count];
        struct journal_extent *extent = shelf_extent(shelf, line);
        uint32_t count = journal_lines(extent->size);

        explicit_bzero(extent, sizeof(*extent) + extent->size);
        shelf_mark(shelf, line, count, false);
        shelf->extents--;
        if (line < shelf->rover)
            shelf->rover = line;
    }
    while (shelf->top > 1 && !shelf_is_used(shelf, shelf->top - 1))
        shelf->top--;
    if (shelf->rover > shelf->top)
        shelf->rover = shelf->top;
}
