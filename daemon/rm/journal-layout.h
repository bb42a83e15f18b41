/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a journal's memory: a header, the seats, the desk, the cells and the shelf, each at
 * the start of a page. For the two files that write and read it.
 */
#pragma once

#include "rm/journal-records.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define JOURNAL_MAGIC UINT64_C(0x6c6e726a6d746162)
#define JOURNAL_PAGE  4096
#define JOURNAL_LINE  64

struct journal_half {
    uint64_t group; /* of the commit that makes it valid; 0: never written */
    uint32_t check;
    uint16_t kind, serial;
    uint8_t payload[JOURNAL_PAYLOAD];
};

struct journal_cell {
    struct journal_half halves[2];
};

/* Before the bytes of an extent. Lines are counted from 0, but line 0 is never given out. */
struct journal_extent {
    uint64_t check;
    uint32_t size; /* bytes that follow */
    uint32_t cell; /* whose record names it */
};

struct journal_header {
    /* These stand here in all versions. */
    uint64_t magic;
    uint32_t version, layout; /* JOURNAL_VERSION, journal_layout() */
    uint64_t owner, generation;
    uint64_t seats_at, desk_at, cells_at, shelf_at;
    uint32_t seats, desk_size;
    uint32_t check; /* of all above */
    uint32_t complete, ended;
    uint32_t cells, lines; /* that may have been used: cells 1 and up, lines 0 and up */
    struct journal_facts facts;
    uint64_t committed;
};

_Static_assert(sizeof(struct journal_half) == JOURNAL_LINE, "a half is a line of the cache");
_Static_assert(sizeof(struct journal_header) <= JOURNAL_PAGE, "the header is one page");

/* Against damage, not against an enemy. */
static inline uint64_t journal_hash(uint64_t seed, const void *bytes, size_t size)
{
    const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = (seed ^ size) * prime, word;
    const uint8_t *at = bytes;

    for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * prime;
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, at, size);
    hash = (hash ^ word) * prime;
    return hash ^ hash >> 32;
}

/* Of the sizes and the byte order that the bytes were written with. */
static inline uint32_t journal_layout(void)
{
    const uint32_t sizes[] = {
        sizeof(void *),
        sizeof(struct journal_half),
        sizeof(struct journal_extent),
        sizeof(struct journal_header),
        sizeof(struct journal_facts),
        sizeof(struct record_chip),
        sizeof(struct record_run),
        sizeof(struct record_move),
        sizeof(struct record_holder),
        sizeof(struct record_object),
        sizeof(struct record_handle),
        sizeof(struct record_session),
        sizeof(struct record_connection),
    };

    return (uint32_t)journal_hash(0, sizes, sizeof(sizes));
}

static inline uint32_t journal_half_check(const struct journal_half *half, uint32_t cell)
{
    uint64_t seed = (uint64_t)cell << 32 | (uint64_t)half->kind << 16 | half->serial;

    return (uint32_t)journal_hash(seed ^ half->group, half->payload, JOURNAL_PAYLOAD);
}

static inline uint64_t journal_extent_check(const struct journal_extent *extent)
{
    return journal_hash(extent->cell, extent + 1, extent->size);
}

static inline uint32_t journal_header_check(const struct journal_header *header)
{
    return (uint32_t)journal_hash(header->version, header, offsetof(struct journal_header, check));
}

/* Records that change with each command are not checked for damage: their values are. */
static inline bool journal_is_hot(enum journal_kind kind)
{
    return kind >= JOURNAL_RUN && kind <= JOURNAL_OUT;
}

/* The half that is valid at this commit, or NULL. */
static inline const struct journal_half *journal_valid_half(const struct journal_cell *cell,
                                                            uint64_t committed)
{
    const struct journal_half *a = &cell->halves[0], *b = &cell->halves[1];
    const struct journal_half *valid = NULL;

    if (a->group != 0 && a->group <= committed)
        valid = a;
    if (b->group != 0 && b->group <= committed && (!valid || b->group > valid->group))
        valid = b;
    return valid;
}

/* Lines of an extent with so many bytes. */
static inline uint32_t journal_lines(size_t size)
{
    return (uint32_t)((sizeof(struct journal_extent) + size + JOURNAL_LINE - 1) / JOURNAL_LINE);
}

/* The lines that a record names: two at the most, 0 for none. */
static inline void journal_named_lines(enum journal_kind kind, const void *payload,
                                       uint32_t lines[2])
{
    lines[0] = lines[1] = 0;
    if (kind == JOURNAL_OBJECT) {
        struct record_object record;

        memcpy(&record, payload, sizeof(record));
        lines[0] = record.saved;
    } else if (kind == JOURNAL_SESSION) {
        struct record_session record;

        memcpy(&record, payload, sizeof(record));
        lines[0] = record.saved;
        lines[1] = record.held;
    } else if (kind == JOURNAL_CONNECTION) {
        struct record_connection record;

        memcpy(&record, payload, sizeof(record));
        lines[0] = record.in;
        lines[1] = record.out;
    }
}
