/* SPDX-License-Identifier: BSD-2-Clause */
#include "nearest.h"

#include <glib.h>
#include <string.h>

/* The letters of a word that count; gives how many. */
static size_t nearest_letters(const char *word, char letters[NEAREST_LETTERS + 1])
{
    size_t count = 0;

    for (; *word && count < NEAREST_LETTERS; word++) {
        if (*word != '-' && *word != '_')
            letters[count++] = g_ascii_tolower(*word);
    }
    letters[count] = '\0';
    return count;
}

unsigned nearest_distance(const char *one, const char *other)
{
    char a[NEAREST_LETTERS + 1], b[NEAREST_LETTERS + 1];
    size_t a_count = nearest_letters(one, a), b_count = nearest_letters(other, b);
    unsigned row[NEAREST_LETTERS + 1]; /* of Levenshtein's table: a's first letters to b's */

    if (a_count && b_count && (strstr(a, b) || strstr(b, a)))
        return a_count != b_count;
    for (unsigned k = 0; k <= b_count; k++)
        row[k] = k;
    for (unsigned i = 0; i < a_count; i++) {
        unsigned diagonal = row[0];

        row[0] = i + 1;
        for (unsigned k = 0; k < b_count; k++) {
            unsigned replaced = diagonal + (a[i] != b[k]);

            diagonal = row[k + 1];
            row[k + 1] = MIN(replaced, MIN(row[k], row[k + 1]) + 1);
        }
    }
    return row[b_count];
}
