/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of a journal in an order in which books can be made of them, checked one by one and
 * against each other. For the file that makes the books.
 */
#pragma once

#include "rm/journal-image.h"

#include <stdbool.h>

/* No clock and no count of a daemon's gets here. Larger ones are damage. */
#define RESTORE_SURVEY_MOST (UINT64_MAX / 2)

struct restore_entry {
    enum journal_kind kind;
    uint64_t key; /* unique among records of the kind */
    uint32_t cell;
    const void *record; /* of the image; it need not be aligned */
};

struct restore_survey {
    struct restore_entry *entries; /* by kind, then by key: handles by holder, then by value */
    uint32_t count;
};

/*
 * Surveys an image that journal_image_open() found good, which is borrowed. JOURNAL_GOOD,
 * JOURNAL_DAMAGED when the records do not agree, or JOURNAL_MEMORY. Unless it is good there is
 * nothing to clear.
 *
 * What a command under way was about to make has a record without content, of which there is no
 * entry.
 */
enum journal_verdict restore_survey_make(struct restore_survey *survey,
                                         const struct journal_image *image);
void restore_survey_clear(struct restore_survey *survey);
