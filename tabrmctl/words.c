/* SPDX-License-Identifier: BSD-2-Clause */
#include "words.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MS     UINT64_C(1000)
#define WORDS_SECOND (1000 * WORDS_MS)
#define WORDS_MINUTE (60 * WORDS_SECOND)
#define WORDS_HOUR   (60 * WORDS_MINUTE)
#define WORDS_DAY    (24 * WORDS_HOUR)

const char *words_count(uint64_t count, char text[WORDS_SIZE])
{
    static const char units[] = "kMGTPE";
    double value = (double)count;
    const char *unit = units;

    if (count < 100000) {
        snprintf(text, WORDS_SIZE, "%u", (unsigned)count);
        return text;
    }
    value /= 1000;
    while (value >= 999.5) {
        value /= 1000;
        unit++;
    }
    snprintf(text, WORDS_SIZE, value < 9.95 ? "%.1f%c" : "%.0f%c", value, *unit);
    return text;
}

/* So many of a unit, and of the next smaller one. */
static void words_pair(uint64_t time, uint64_t unit, const char *name, uint64_t smaller,
                       const char *smaller_name, char text[WORDS_SIZE])
{
    unsigned rest = (unsigned)(time % unit / smaller);

    if (rest > 0)
        snprintf(text, WORDS_SIZE, "%u %s %u %s", (unsigned)(time / unit), name, rest,
                 smaller_name);
    else
        snprintf(text, WORDS_SIZE, "%u %s", (unsigned)(time / unit), name);
}

const char *words_time(uint64_t time, char text[WORDS_SIZE])
{
    if (time < WORDS_MS)
        snprintf(text, WORDS_SIZE, "%u us", (unsigned)time);
    else if (time < WORDS_SECOND)
        snprintf(text, WORDS_SIZE, time < 100 * WORDS_MS ? "%.1f ms" : "%.0f ms",
                 (double)time / (double)WORDS_MS);
    else if (time < 2 * WORDS_MINUTE)
        snprintf(text, WORDS_SIZE, "%.1f s", (double)time / (double)WORDS_SECOND);
    else if (time < WORDS_HOUR)
        snprintf(text, WORDS_SIZE, "%u min", (unsigned)(time / WORDS_MINUTE));
    else if (time < WORDS_DAY)
        words_pair(time, WORDS_HOUR, "h", WORDS_MINUTE, "min", text);
    else
        words_pair(time, WORDS_DAY, "d", WORDS_HOUR, "h", text);
    return text;
}

const char *words_span(uint64_t time, char text[WORDS_SIZE])
{
    char whole[WORDS_SIZE], *end = text;

    words_time(time, whole);
    for (const char *from = whole; *from; from++) {
        if (*from != ' ')
            *end++ = *from;
        if (strncmp(from, "min", 3) == 0)
            from += 2;
    }
    *end = '\0';
    return text;
}

const char *words_share(uint64_t part, uint64_t whole, char text[WORDS_SIZE])
{
    double share = whole > 0 ? 100.0 * (double)part / (double)whole : 0;

    if (whole == 0)
        snprintf(text, WORDS_SIZE, "-");
    else if (part > 0 && share < 1)
        snprintf(text, WORDS_SIZE, "<1 %%");
    else if (part < whole && share > 99)
        snprintf(text, WORDS_SIZE, ">99 %%");
    else
        snprintf(text, WORDS_SIZE, "%.0f %%", share);
    return text;
}

const char *words_ratio(uint64_t count, uint64_t each, char text[WORDS_SIZE])
{
    if (each == 0)
        snprintf(text, WORDS_SIZE, "-");
    else
        snprintf(text, WORDS_SIZE, "%.2f", (double)count / (double)each);
    return text;
}

char *words_escape(const char *text, unsigned most)
{
    GString *escaped = g_string_new(NULL);

    for (; *text && escaped->len <= most; text++) {
        if (g_ascii_isprint(*text))
            g_string_append_c(escaped, *text);
        else
            g_string_append_printf(escaped, "\\x%02x", (unsigned char)*text);
    }
    if (escaped->len > most) {
        g_string_truncate(escaped, most > 2 ? most - 2 : 0);
        g_string_append(escaped, "..");
    }
    return g_string_free(escaped, FALSE);
}
