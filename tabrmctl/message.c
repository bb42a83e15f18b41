/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>

static GString *message_held; /* NULL: lines are printed */

void message_hold(void)
{
    if (!message_held)
        message_held = g_string_new(NULL);
}

void message_release(bool print)
{
    if (!message_held)
        return;
    if (print)
        fputs(message_held->str, stderr);
    g_string_free(message_held, TRUE);
    message_held = NULL;
}

void message_error(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    if (message_held)
        g_string_append_printf(message_held, "tabrmctl: %s\n", text);
    else
        fprintf(stderr, "tabrmctl: %s\n", text);
}
