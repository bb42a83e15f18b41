/* SPDX-License-Identifier: BSD-2-Clause */
#include "screen.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define SCREEN_CUT ".."

void screen_init(struct screen *screen, const struct view *view)
{
    *screen = (struct screen){.view = *view, .text = g_string_new(NULL)};
}

char *screen_finish(struct screen *screen)
{
    char *text = g_string_free(screen->text, FALSE);

    screen->text = NULL;
    return text;
}

unsigned screen_space(const struct screen *screen)
{
    if (screen->view.columns == 0)
        return UINT_MAX;
    return screen->column < screen->view.columns ? screen->view.columns - screen->column : 0;
}

unsigned screen_left(const struct screen *screen)
{
    if (screen->view.rows == 0)
        return UINT_MAX;
    return screen->lines < screen->view.rows ? screen->view.rows - screen->lines : 0;
}

/* Writes `length` bytes, and no more than there is space for. */
static void screen_write(struct screen *screen, enum ink ink, const char *text, gsize length)
{
    unsigned space = screen_space(screen);
    bool cut = length > space;

    if (space == 0 || length == 0)
        return;
    g_string_append(screen->text, view_ink(&screen->view, ink));
    if (cut && space > strlen(SCREEN_CUT)) {
        g_string_append_len(screen->text, text, (gssize)(space - strlen(SCREEN_CUT)));
        g_string_append(screen->text, SCREEN_CUT);
    } else {
        g_string_append_len(screen->text, text, cut ? (gssize)space : (gssize)length);
    }
    g_string_append(screen->text, view_ink_end(&screen->view, ink));
    screen->column += cut ? space : (unsigned)length;
}

void screen_put(struct screen *screen, enum ink ink, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    screen_write(screen, ink, text, strlen(text));
}

void screen_indent(struct screen *screen, unsigned column)
{
    while (screen->column < column && screen_space(screen) > 0)
        screen_write(screen, INK_PLAIN, " ", 1);
}

void screen_label(struct screen *screen, const char *label)
{
    screen_put(screen, INK_BOLD, "%s", label);
    screen_indent(screen, SCREEN_LABEL);
}

void screen_end_line(struct screen *screen)
{
    while (g_str_has_suffix(screen->text->str, " "))
        g_string_truncate(screen->text, screen->text->len - 1);
    g_string_append_c(screen->text, '\n');
    screen->column = 0;
    screen->lines++;
}

/* How much of the text goes to one line of `width` columns. */
static gsize screen_break(const char *text, gsize width)
{
    gsize length = strlen(text), at;

    if (length <= width)
        return length;
    for (at = width; at > 0 && text[at] != ' '; at--)
        ;
    return at > 0 ? at : width;
}

void screen_wrap(struct screen *screen, unsigned most, const char *text)
{
    unsigned start = screen->column;

    for (; most > 1 && strlen(text) > screen_space(screen) && screen_space(screen) > 0; most--) {
        gsize length = screen_break(text, screen_space(screen));

        screen_write(screen, INK_PLAIN, text, length);
        screen_end_line(screen);
        screen_indent(screen, start);
        text += length;
        text += strspn(text, " ");
    }
    screen_write(screen, INK_PLAIN, text, strlen(text));
    screen_end_line(screen);
}
