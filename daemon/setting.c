/* SPDX-License-Identifier: BSD-2-Clause */
#include "setting.h"

#include <string.h>

void setting_put(struct setting *setting, const char *value, enum settings_origin origin,
                 const char *place)
{
    struct setting before = *setting;

    *setting = (struct setting){origin, g_strdup(value), g_strdup(place)};
    g_free(before.value);
    g_free(before.place);
}

const char *setting_place(const struct setting *setting)
{
    switch (setting->origin) {
    case SETTINGS_DEFAULT:
        return "default";
    case SETTINGS_FILE:
        return setting->place;
    case SETTINGS_COMMAND_LINE:
        return "command line";
    }
    return "";
}

/* GKeyFile writes blanks at the end of a value as they are, and drops them when it reads. */
static void setting_keep_blanks(GKeyFile *file, const char *section, const char *key)
{
    g_autofree char *raw = g_key_file_get_value(file, section, key, NULL);
    size_t length = strlen(raw), end = length;
    g_autoptr(GString) kept = NULL;

    while (end > 0 && (raw[end - 1] == ' ' || raw[end - 1] == '\t'))
        end--;
    if (end == length)
        return;
    kept = g_string_new_len(raw, (gssize)end);
    for (; end < length; end++)
        g_string_append(kept, raw[end] == ' ' ? "\\s" : "\\t");
    g_key_file_set_value(file, section, key, kept->str);
}

void setting_write(const struct setting *setting, const char *place, GKeyFile *file,
                   const char *section, const char *key)
{
    g_autofree char *comment = g_strdup_printf(" %s", place);

    g_key_file_set_string(file, section, key, setting->value ? setting->value : "");
    setting_keep_blanks(file, section, key);
    g_key_file_set_comment(file, section, key, comment, NULL);
}
