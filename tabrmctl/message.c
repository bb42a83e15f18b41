/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>

void message_error(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "tabrmctl: %s\n", text);
}
