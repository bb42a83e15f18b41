/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/journal-image.h"

#include "rm/journal-layout.h"

#include <stdlib.h>

#define IMAGE_BITS 64

static const struct journal_header *image_header(const struct journal_image *image)
{
    return (const struct journal_header *)(const void *)image->bytes;
}

/* Whether `count` things of `size` bytes at `at` lie inside of the memory, page by page. */
static bool image_has(const struct journal_image *image, uint64_t at, uint64_t count, size_t size)
{
    return at % JOURNAL_PAGE == 0 && at <= image->size && count <= (image->size - at) / size;
}

static enum journal_verdict image_read_header(struct journal_image *image, uint64_t owner)
{
    const struct journal_header *header = image_header(image);

    if (image->size < JOURNAL_PAGE || header->magic != JOURNAL_MAGIC)
        return JOURNAL_FOREIGN;
    if (header->version < JOURNAL_OLDEST)
        return JOURNAL_OLDER;
    if (header->version > JOURNAL_VERSION)
        return JOURNAL_NEWER;
    if (header->layout != journal_layout())
        return JOURNAL_FOREIGN;
    if (header->check != journal_header_check(header))
        return JOURNAL_DAMAGED;
    if (header->owner != owner)
        return JOURNAL_FOREIGN;
    if (header->ended)
        return JOURNAL_ENDED;
    if (header->complete != 1)
        return JOURNAL_INCOMPLETE;
    if (header->seats_at != JOURNAL_PAGE
        || !image_has(image, header->seats_at, header->seats, JOURNAL_SEAT)
        || !image_has(image, header->desk_at, header->desk_size, 1)
        || !image_has(image, header->cells_at, (uint64_t)header->cells + 1,
                      sizeof(struct journal_cell))
        || !image_has(image, header->shelf_at, header->lines, JOURNAL_LINE)
        || header->desk_at < header->seats_at + (uint64_t)header->seats * JOURNAL_SEAT
        || header->cells_at < header->desk_at + header->desk_size
        || header->shelf_at
               < header->cells_at + ((uint64_t)header->cells + 1) * sizeof(struct journal_cell))
        return JOURNAL_DAMAGED;
    image->committed = header->committed;
    image->generation = header->generation;
    image->version = header->version;
    image->cells = header->cells;
    image->seats = header->seats;
    image->seats_at = header->seats_at;
    image->desk_at = header->desk_at;
    image->desk_size = header->desk_size;
    image->facts = &header->facts;
    return JOURNAL_GOOD;
}

static const struct journal_cell *image_cell(const struct journal_image *image, uint32_t cell)
{
    const uint8_t *cells = image->bytes + image_header(image)->cells_at;

    return (const struct journal_cell *)(const void *)cells + cell;
}

static const struct journal_half *image_half(const struct journal_image *image, uint32_t cell)
{
    if (cell == 0 || cell > image->cells)
        return NULL;
    return journal_valid_half(image_cell(image, cell), image->committed);
}

/* The commit after the last one is the farthest that halves were noted for. */
static bool image_groups_are_good(const struct journal_image *image, uint32_t cell)
{
    const struct journal_cell *at = image_cell(image, cell);

    return at->halves[0].group <= image->committed + 1
           && at->halves[1].group <= image->committed + 1;
}

/* Records of which there is one are in the cells of their kinds' numbers, all others behind. */
static bool image_half_is_good(const struct journal_half *half, uint32_t cell)
{
    enum journal_kind kind = (enum journal_kind)half->kind;
    bool fixed = cell <= JOURNAL_OUT;

    if (kind >= JOURNAL_KINDS
        || (!journal_is_hot(kind) && half->check != journal_half_check(half, cell)))
        return false;
    return fixed ? half->kind == cell : half->kind == JOURNAL_FREE || half->kind > JOURNAL_OUT;
}

/* The extent at `line` if it lies inside of the shelf and belongs to `cell`, or NULL. */
static const struct journal_extent *image_find(const struct journal_image *image, uint32_t line,
                                               uint32_t cell)
{
    const struct journal_header *header = image_header(image);
    const struct journal_extent *extent;

    if (line == 0 || line >= header->lines)
        return NULL;
    extent = (const struct journal_extent *)(const void *)(image->bytes + header->shelf_at
                                                           + (size_t)line * JOURNAL_LINE);
    if (extent->cell != cell || extent->size == 0
        || extent->size > (uint64_t)(header->lines - line) * JOURNAL_LINE
        || journal_lines(extent->size) > header->lines - line)
        return NULL;
    return extent;
}

/* Takes the extent's lines; false when another one has any of them, or it is no good. */
static bool image_claim(const struct journal_image *image, uint64_t *claimed, uint32_t line,
                        uint32_t cell)
{
    const struct journal_extent *extent = image_find(image, line, cell);

    if (!extent || extent->check != journal_extent_check(extent))
        return false;
    for (uint32_t i = line; i < line + journal_lines(extent->size); i++) {
        uint64_t bit = UINT64_C(1) << i % IMAGE_BITS;

        if (claimed[i / IMAGE_BITS] & bit)
            return false;
        claimed[i / IMAGE_BITS] |= bit;
    }
    return true;
}

static bool image_cells_are_good(const struct journal_image *image, uint64_t *claimed)
{
    for (uint32_t cell = 1; cell <= image->cells; cell++) {
        const struct journal_half *half = image_half(image, cell);
        uint32_t lines[2];

        if (!image_groups_are_good(image, cell))
            return false;
        if (!half)
            continue;
        if (!image_half_is_good(half, cell))
            return false;
        journal_named_lines((enum journal_kind)half->kind, half->payload, lines);
        for (unsigned i = 0; i < 2; i++) {
            if (lines[i] && !image_claim(image, claimed, lines[i], cell))
                return false;
        }
    }
    return true;
}

enum journal_verdict journal_image_open(struct journal_image *image, const uint8_t *bytes,
                                        size_t size, uint64_t owner)
{
    enum journal_verdict verdict;
    uint64_t *claimed;

    *image = (struct journal_image){.bytes = bytes, .size = size};
    verdict = image_read_header(image, owner);
    if (verdict != JOURNAL_GOOD)
        return verdict;
    claimed = calloc(image_header(image)->lines / IMAGE_BITS + 1, sizeof(*claimed));
    if (!claimed)
        return JOURNAL_MEMORY;
    if (!image_cells_are_good(image, claimed))
        verdict = JOURNAL_DAMAGED;
    free(claimed);
    return verdict;
}

const char *journal_image_text(enum journal_verdict verdict)
{
    switch (verdict) {
    case JOURNAL_GOOD:
        return "it is good";
    case JOURNAL_MEMORY:
        return "there is no memory to read it";
    case JOURNAL_FOREIGN:
        return "it is of another TPM, another daemon or another machine";
    case JOURNAL_OLDER:
        return "it is of an older version of tabrmd";
    case JOURNAL_NEWER:
        return "it is of a newer version of tabrmd";
    case JOURNAL_INCOMPLETE:
        return "it was not finished";
    case JOURNAL_ENDED:
        return "its daemon ended and left nothing";
    case JOURNAL_DAMAGED:
        return "it is damaged";
    }
    return "";
}

const void *journal_image_record(const struct journal_image *image, uint32_t cell,
                                 enum journal_kind *kind, uint32_t *serial)
{
    const struct journal_half *half = image_half(image, cell);

    if (!half || half->kind == JOURNAL_FREE)
        return NULL;
    *kind = (enum journal_kind)half->kind;
    *serial = half->serial;
    return half->payload;
}

const uint8_t *journal_image_extent(const struct journal_image *image, uint32_t line, uint32_t cell,
                                    size_t *size)
{
    const struct journal_extent *extent = image_find(image, line, cell);

    if (!extent)
        return NULL;
    *size = extent->size;
    return (const uint8_t *)(extent + 1);
}

/* The header of a journal of a version that is read, or NULL. */
static struct journal_header *image_own_header(uint8_t *bytes, size_t size)
{
    struct journal_header *header = (struct journal_header *)(void *)bytes;

    if (size < JOURNAL_PAGE || header->magic != JOURNAL_MAGIC || header->version < JOURNAL_OLDEST
        || header->version > JOURNAL_VERSION || header->layout != journal_layout())
        return NULL;
    return header;
}

struct journal_facts *journal_image_facts(uint8_t *bytes, size_t size)
{
    struct journal_header *header = image_own_header(bytes, size);

    return header ? &header->facts : NULL;
}

void journal_image_end(uint8_t *bytes, size_t size)
{
    struct journal_header *header = image_own_header(bytes, size);

    if (header)
        header->ended = 1;
}
