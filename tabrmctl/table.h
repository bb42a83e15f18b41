/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of cells under titles. Where a table is wider than the view, columns that may be left out go
 * first, and then those shrink that may.
 */
#pragma once

#include "screen.h"

struct table_column {
    const char *title;
    bool right;     /* numbers */
    unsigned least; /* columns that it may shrink to; 0: it does not */
    unsigned rank;  /* of those that may be left out the highest goes first; 0: it stays */
};

struct table;

/* The array is borrowed for as long as the table lives. */
struct table *table_new(const struct table_column *columns, unsigned count);

/* NULL is fine. */
void table_free(struct table *table);

/* The next cell, of the row that is not full yet. */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);

/* Of the cells from the next one on. */
void table_ink(struct table *table, enum ink ink);

/* The title that is marked, such as that of the order. */
void table_mark(struct table *table, unsigned column);

/* Rows that are full. */
unsigned table_rows(const struct table *table);

/* Writes the titles, and `count` rows from number `first` on, or as many as there are. */
void table_put(const struct table *table, struct screen *screen, unsigned first, unsigned count);
