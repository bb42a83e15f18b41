/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that look for what is wrong return NULL, or a sentence that says it and holds until the
 * next call. One thread.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>

/* A rule: unless `holds`, the function returns the sentence. */
#define MUST(holds, ...)                   \
    do {                                   \
        if (!(holds))                      \
            return rules_say(__VA_ARGS__); \
    } while (0)

/* Rules of their own: what these say is returned. */
#define MUST_ALL(rules)             \
    do {                            \
        const char *said = (rules); \
        if (said)                   \
            return said;            \
    } while (0)

__attribute__((format(printf, 1, 2))) static inline const char *rules_say(const char *format, ...)
{
    static char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return text;
}
