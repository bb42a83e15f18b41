/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of a trace (wire/trace-record.h) for people and for programs. Pure functions. */
#pragma once

#include "view.h"
#include "wire/trace-record.h"

#include <glib.h>

/* A line, with a newline behind it, and before it a line about records that were lost. `began` is
 * when the command's turn began, microseconds since the epoch. The caller frees it with g_free().
 */
char *trace_text_line(const struct trace_record *record, gint64 began, const struct view *view);

/* The same as JSON in one line, which `man tabrmctl` explains. */
char *trace_text_json(const struct trace_record *record, gint64 began);
