/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <glib.h>

static void settings_put(struct setting *setting, const char *value, enum settings_origin origin,
                         const char *place)
{
    struct setting before = *setting;

    *setting = (struct setting){origin, g_strdup(value), g_strdup(place)};
    g_free(before.value);
    g_free(before.place);
}

void settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        settings_put(&settings->of[id], option_table[id].standard, SETTINGS_DEFAULT, NULL);
}

void settings_clear(struct settings *settings)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        settings_put(&settings->of[id], NULL, SETTINGS_DEFAULT, NULL);
        g_clear_pointer(&settings->standard[id], g_free);
    }
}

static const char *settings_standard(const struct settings *settings, enum option_id id)
{
    return settings->standard[id] ? settings->standard[id] : option_table[id].standard;
}

void settings_set(struct settings *settings, enum option_id id, const char *value,
                  enum settings_origin origin, const char *place)
{
    if (origin >= settings->of[id].origin)
        settings_put(&settings->of[id], value, origin, place);
}

void settings_reset(struct settings *settings, enum option_id id, enum settings_origin origin)
{
    if (settings->of[id].origin <= origin)
        settings_put(&settings->of[id], settings_standard(settings, id), SETTINGS_DEFAULT, NULL);
}

void settings_set_standard(struct settings *settings, enum option_id id, const char *value)
{
    g_free(settings->standard[id]);
    settings->standard[id] = g_strdup(value);
    settings_reset(settings, id, SETTINGS_DEFAULT);
}

void settings_move(struct settings *settings, enum option_id id, struct settings *from)
{
    settings_put(&settings->of[id], NULL, SETTINGS_DEFAULT, NULL);
    settings->of[id] = from->of[id];
    from->of[id] = (struct setting){0};
    settings_reset(from, id, SETTINGS_COMMAND_LINE);
}

bool settings_given(const struct settings *settings, enum option_id id)
{
    return settings->of[id].origin != SETTINGS_DEFAULT;
}

static const char *settings_place(const struct settings *settings, enum option_id id)
{
    switch (settings->of[id].origin) {
    case SETTINGS_DEFAULT:
        return settings->standard[id] ? "default of --tpm" : "default";
    case SETTINGS_FILE:
        return settings->of[id].place;
    case SETTINGS_COMMAND_LINE:
        return "command line";
    }
    return "";
}

char *settings_show(const struct settings *settings)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        const struct setting *setting = &settings->of[id];
        g_autofree char *comment = g_strdup_printf(" %s", settings_place(settings, id));

        if (option_table[id].no_key)
            continue;
        g_key_file_set_string(file, OPTION_SECTION, option_table[id].name,
                              setting->value ? setting->value : "");
        g_key_file_set_comment(file, OPTION_SECTION, option_table[id].name, comment, NULL);
    }
    return g_key_file_to_data(file, NULL, NULL);
}
