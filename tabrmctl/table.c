/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include <stdarg.h>
#include <string.h>

#define TABLE_GAP 1 /* between columns */

struct table_text {
    char *text;
    enum ink ink;
};

struct table {
    const struct table_column *columns;
    unsigned count;
    unsigned marked; /* `count`: none */
    enum ink ink;
    GArray *cells; /* struct table_text, row by row */
};

static void table_text_clear(gpointer cell)
{
    g_free(((struct table_text *)cell)->text);
}

struct table *table_new(const struct table_column *columns, unsigned count)
{
    struct table *table = g_new0(struct table, 1);

    table->columns = columns;
    table->count = table->marked = count;
    table->cells = g_array_new(FALSE, FALSE, sizeof(struct table_text));
    g_array_set_clear_func(table->cells, table_text_clear);
    return table;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    g_array_unref(table->cells);
    g_free(table);
}

void table_cell(struct table *table, const char *format, ...)
{
    struct table_text cell = {.ink = table->ink};
    va_list args;

    va_start(args, format);
    cell.text = g_strdup_vprintf(format, args);
    va_end(args);
    g_array_append_val(table->cells, cell);
}

void table_ink(struct table *table, enum ink ink)
{
    table->ink = ink;
}

void table_mark(struct table *table, unsigned column)
{
    table->marked = column;
}

unsigned table_rows(const struct table *table)
{
    return table->cells->len / table->count;
}

static const struct table_text *table_at(const struct table *table, unsigned row, unsigned column)
{
    return &g_array_index(table->cells, struct table_text, row * table->count + column);
}

/* Columns that the table takes; `least`: when all is shrunk that may be. */
static unsigned table_width(const struct table *table, const unsigned *widths, bool least)
{
    unsigned width = 0;

    for (unsigned i = 0; i < table->count; i++) {
        unsigned shrunk = table->columns[i].least;

        if (widths[i] == 0)
            continue;
        width += width > 0 ? TABLE_GAP : 0;
        width += least && shrunk > 0 ? MIN(widths[i], shrunk) : widths[i];
    }
    return width;
}

/* Leaves out a column that may be; false where there is none. */
static bool table_leave_out(const struct table *table, unsigned *widths)
{
    unsigned out = table->count, rank = 0;

    for (unsigned i = 0; i < table->count; i++) {
        if (widths[i] > 0 && table->columns[i].rank > rank) {
            rank = table->columns[i].rank;
            out = i;
        }
    }
    if (out == table->count)
        return false;
    widths[out] = 0;
    return true;
}

/* Makes the widest column that may shrink narrower by one; false where there is none. */
static bool table_shrink(const struct table *table, unsigned *widths)
{
    unsigned widest = table->count;

    for (unsigned i = 0; i < table->count; i++) {
        if (table->columns[i].least == 0 || widths[i] <= table->columns[i].least)
            continue;
        if (widest == table->count || widths[i] > widths[widest])
            widest = i;
    }
    if (widest == table->count)
        return false;
    widths[widest]--;
    return true;
}

/* The width of each column; the caller frees them with g_free(). */
static unsigned *table_lay_out(const struct table *table, unsigned space)
{
    unsigned *widths = g_new0(unsigned, table->count);

    for (unsigned column = 0; column < table->count; column++) {
        widths[column] = (unsigned)strlen(table->columns[column].title);
        for (unsigned row = 0; row < table_rows(table); row++) {
            gsize length = strlen(table_at(table, row, column)->text);

            widths[column] = (unsigned)MAX(widths[column], length);
        }
    }
    while (table_width(table, widths, true) > space && table_leave_out(table, widths))
        ;
    while (table_width(table, widths, false) > space && table_shrink(table, widths))
        ;
    return widths;
}

static void table_put_cell(const struct table *table, struct screen *screen, const unsigned *widths,
                           unsigned column, struct table_text cell)
{
    gsize length = strlen(cell.text);
    unsigned width = widths[column], end;

    if (width == 0)
        return;
    if (screen->column > 0)
        screen_indent(screen, screen->column + TABLE_GAP);
    end = screen->column + width;
    if (table->columns[column].right && length < width)
        screen_indent(screen, end - (unsigned)length);
    if (length > width)
        screen_put(screen, cell.ink, "%.*s..", (int)(width > 2 ? width - 2 : 0), cell.text);
    else
        screen_put(screen, cell.ink, "%s", cell.text);
    for (unsigned i = column + 1; i < table->count; i++) {
        if (widths[i] > 0) {
            screen_indent(screen, end); /* no spaces at the end of a line */
            return;
        }
    }
}

static void table_put_row(const struct table *table, struct screen *screen, const unsigned *widths,
                          unsigned row)
{
    for (unsigned column = 0; column < table->count; column++)
        table_put_cell(table, screen, widths, column, *table_at(table, row, column));
    screen_end_line(screen);
}

static void table_put_titles(const struct table *table, struct screen *screen,
                             const unsigned *widths)
{
    for (unsigned column = 0; column < table->count; column++) {
        struct table_text title = {
            .text = (char *)table->columns[column].title,
            .ink = column == table->marked ? INK_MARK : INK_BOLD,
        };

        table_put_cell(table, screen, widths, column, title);
    }
    screen_end_line(screen);
}

void table_put(const struct table *table, struct screen *screen, unsigned first, unsigned count)
{
    unsigned *widths = table_lay_out(table, screen_space(screen));
    unsigned rows = table_rows(table);

    table_put_titles(table, screen, widths);
    for (unsigned row = first; row < rows && row - first < count; row++)
        table_put_row(table, screen, widths, row);
    g_free(widths);
}
