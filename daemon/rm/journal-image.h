/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal as a daemon left it, to be read. What is read is believed only as far as
 * journal_image_open() has checked it: magic, version, layout, owner, `complete`, `ended`; the
 * check of each committed half and of each extent that a record can name; kinds; that extents lie
 * inside of the shelf and do not overlap. What records mean to each other is checked in restore.c.
 * Bytes of the memory are read only, and may be anything.
 */
#pragma once

#include "rm/journal-records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum journal_verdict {
    JOURNAL_GOOD,
    JOURNAL_MEMORY,     /* there was none to check it */
    JOURNAL_FOREIGN,    /* no journal at all, of another owner, or of another machine's layout */
    JOURNAL_OLDER,      /* of a version that is not read any more */
    JOURNAL_NEWER,      /* of a version that came later */
    JOURNAL_INCOMPLETE, /* its daemon had not finished it */
    JOURNAL_ENDED,      /* its daemon ended and left nothing */
    JOURNAL_DAMAGED,
};

struct journal_image {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    uint64_t committed, generation;
    uint32_t cells; /* cells are 1 to this number */
    uint32_t seats;
    /* Of the header, checked to lie inside of the memory. */
    size_t seats_at, desk_at, desk_size;
    uint32_t version;
    const struct journal_facts *facts;
};

/* Reads `size` bytes, which stay as they are while the image is in use. Nothing is to be closed. */
enum journal_verdict journal_image_open(struct journal_image *image, const uint8_t *bytes,
                                        size_t size, uint64_t owner);

/* Of memory that is to be read: the words of its header that are stored one by one, before anything
 * is believed of it; NULL when it is no journal of a version that is read. And has it never be read
 * again, if it is one. */
struct journal_facts *journal_image_facts(uint8_t *bytes, size_t size);
void journal_image_end(uint8_t *bytes, size_t size);

/* What a person is told of a journal that is not good. */
const char *journal_image_text(enum journal_verdict verdict);

/* The committed record of a cell, JOURNAL_PAYLOAD bytes that need not be aligned, with its kind and
 * serial; NULL of a free one, or of no cell. */
const void *journal_image_record(const struct journal_image *image, uint32_t cell,
                                 enum journal_kind *kind, uint32_t *serial);

/* The bytes of the extent at `line` that the record in `cell` owns; NULL when there is none. */
const uint8_t *journal_image_extent(const struct journal_image *image, uint32_t line, uint32_t cell,
                                    size_t *size);
