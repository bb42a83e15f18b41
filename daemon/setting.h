/* SPDX-License-Identifier: BSD-2-Clause */
/* One value as text, and who said it. Main thread. */
#pragma once

#include <glib.h>

/* From the weakest. */
enum settings_origin { SETTINGS_DEFAULT, SETTINGS_FILE, SETTINGS_COMMAND_LINE };

/* All zero: nobody said it, and there is no default. */
struct setting {
    enum settings_origin origin;
    char *value; /* NULL: there is none */
    char *place; /* "FILE:LINE" of a value from a file, else NULL */
};

/* Sets it to copies; NULL for none. */
void setting_put(struct setting *setting, const char *value, enum settings_origin origin,
                 const char *place);

/* Where it comes from, for a person. */
const char *setting_place(const struct setting *setting);

/* Adds the value to a file that is to be written, as `key` of `section`, empty when there is none,
 * with `place` in a comment. Read again it is the same. */
void setting_write(const struct setting *setting, const char *place, GKeyFile *file,
                   const char *section, const char *key);
