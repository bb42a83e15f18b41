/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value of every option as text, and its origin: the command line, a line of a file, or nobody;
 * and the sections about users, which are in files only. The command line wins over files, and a
 * file over those that are read before it. Main thread.
 */
#pragma once

#include "option-table.h"
#include "sections.h"

struct settings {
    struct setting of[OPTION_COUNT];
    char *standard[OPTION_COUNT]; /* defaults that are others than the table's; NULL: it has none */
    struct sections sections;
};

/* Each option at its default. */
void settings_init(struct settings *settings);
void settings_clear(struct settings *settings);

/* Sets a value, a copy, where nothing stronger has set one. `place` is for SETTINGS_FILE, else
 * NULL. */
void settings_set(struct settings *settings, enum option_id id, const char *value,
                  enum settings_origin origin, const char *place);

/* Has an option another default than the table's: the copy of a value. */
void settings_set_standard(struct settings *settings, enum option_id id, const char *value);

/* Takes back what files, or anybody weaker than `origin`, said of an option. */
void settings_reset(struct settings *settings, enum option_id id, enum settings_origin origin);

/* Moves an option's value and origin from `from`, which has the default afterwards. */
void settings_move(struct settings *settings, enum option_id id, struct settings *from);

/* Moves all sections from `from`, which has none afterwards. */
void settings_move_sections(struct settings *settings, struct settings *from);

/* Whether somebody said the value. */
bool settings_given(const struct settings *settings, enum option_id id);

/* All values with their origins, in a form that can be read as a configuration file. To be freed
 * with g_free(). */
char *settings_show(const struct settings *settings);
