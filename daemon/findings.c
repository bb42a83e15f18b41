/* SPDX-License-Identifier: BSD-2-Clause */
#include "findings.h"

#include <stdarg.h>

/* What was typed may hold anything, and the text is to be one line of UTF-8. */
static char *findings_one_line(const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);

    for (char *at = valid; *at; at++) {
        if (g_ascii_iscntrl(*at))
            *at = '?';
    }
    return valid;
}

void findings_command_line(struct findings *findings, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (!findings->command_line)
        findings->command_line = findings_one_line(text);
}

void findings_add(struct findings *findings, enum findings_weight weight, const char *place,
                  const char *format, ...)
{
    g_autofree char *what = NULL, *text = NULL, *line = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    text = g_strdup_printf("%s: %s", place, what);
    line = findings_one_line(text);
    if (!findings->lines)
        findings->lines = g_string_new(NULL);
    g_string_append_printf(findings->lines, "%s\n", line);
    findings->bad |= weight == FINDINGS_BAD;
}

void findings_of(struct findings *findings, enum findings_weight weight,
                 const struct settings *settings, enum option_id id, const char *format, ...)
{
    const struct setting *setting = &settings->of[id];
    g_autofree char *what = NULL, *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    text = g_strdup_printf("%s %s", option_table[id].name, what);
    if (setting->place)
        findings_add(findings, weight, setting->place, "%s", text);
    else
        findings_command_line(findings, "--%s", text);
}

void findings_clear(struct findings *findings)
{
    if (findings->lines)
        g_string_free(findings->lines, TRUE);
    g_free(findings->command_line);
    *findings = (struct findings){0};
}
