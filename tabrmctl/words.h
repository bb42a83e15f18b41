/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and foreign texts as people read them. */
#pragma once

#include <stdint.h>

#define WORDS_SIZE 24 /* bytes of what words_...() writes, the final 0 included */

/* A number of up to 6 columns: "99999", "123k", "4.5M". Returns `text`. */
const char *words_count(uint64_t count, char text[WORDS_SIZE]);

/* A time in microseconds: "850 us", "12.3 ms", "4.5 s", "12 min", "3 h 20 min", "5 d 3 h". Returns
 * `text`. */
const char *words_time(uint64_t time, char text[WORDS_SIZE]);

/* The same in 6 columns: "850us", "12.3ms", "4.5s", "12m", "3h20m", "5d3h". Returns `text`. */
const char *words_span(uint64_t time, char text[WORDS_SIZE]);

/* A part of a whole: "42 %", "<1 %", ">99 %", "-" of nothing. Returns `text`. */
const char *words_share(uint64_t part, uint64_t whole, char text[WORDS_SIZE]);

/* So many for each of the others: "0.25", "-" for none. Returns `text`. */
const char *words_ratio(uint64_t count, uint64_t each, char text[WORDS_SIZE]);

/* A text of somebody else as printable ASCII: each other byte is "\x1b", and what has more than
 * `most` columns is cut and ends with "..". The caller frees it with g_free(). */
char *words_escape(const char *text, unsigned most);
