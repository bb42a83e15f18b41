/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text of lines that fit a view: what is too long for a line is cut, and ends with "..". Texts
 * are printable ASCII, a column for each byte.
 */
#pragma once

#include "view.h"

#include <glib.h>

/* Where the values begin that stand behind labels. */
#define SCREEN_LABEL 10

struct screen {
    struct view view;
    GString *text;   /* whole lines, and the one that is being written */
    unsigned column; /* what the line has so far */
    unsigned lines;  /* whole ones */
};

void screen_init(struct screen *screen, const struct view *view);

/* Gives the text, which the caller frees with g_free(), and ends the screen. */
char *screen_finish(struct screen *screen);

/* Columns that the line has left. */
unsigned screen_space(const struct screen *screen);

/* Lines that the screen has left. */
unsigned screen_left(const struct screen *screen);

/* Adds to the line what of the text fits. */
__attribute__((format(printf, 3, 4))) void screen_put(struct screen *screen, enum ink ink,
                                                      const char *format, ...);

/* Goes on to a column, if it is not reached yet. */
void screen_indent(struct screen *screen, unsigned column);

/* A label at the head of a line, and the way to its value. */
void screen_label(struct screen *screen, const char *label);

void screen_end_line(struct screen *screen);

/* Adds a text that may be long: lines of it begin where the line is now, and break between words.
 * At most `most` lines; a text that needs more is cut. The last line is ended. */
void screen_wrap(struct screen *screen, unsigned most, const char *text);
