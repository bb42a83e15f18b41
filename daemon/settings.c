/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <glib.h>

void settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        setting_put(&settings->of[id], option_table[id].standard, SETTINGS_DEFAULT, NULL);
}

void settings_clear(struct settings *settings)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        setting_put(&settings->of[id], NULL, SETTINGS_DEFAULT, NULL);
        g_clear_pointer(&settings->standard[id], g_free);
    }
    sections_clear(&settings->sections);
}

static const char *settings_standard(const struct settings *settings, enum option_id id)
{
    return settings->standard[id] ? settings->standard[id] : option_table[id].standard;
}

void settings_set(struct settings *settings, enum option_id id, const char *value,
                  enum settings_origin origin, const char *place)
{
    if (origin >= settings->of[id].origin)
        setting_put(&settings->of[id], value, origin, place);
}

void settings_reset(struct settings *settings, enum option_id id, enum settings_origin origin)
{
    if (settings->of[id].origin <= origin)
        setting_put(&settings->of[id], settings_standard(settings, id), SETTINGS_DEFAULT, NULL);
}

void settings_set_standard(struct settings *settings, enum option_id id, const char *value)
{
    g_free(settings->standard[id]);
    settings->standard[id] = g_strdup(value);
    settings_reset(settings, id, SETTINGS_DEFAULT);
}

void settings_move(struct settings *settings, enum option_id id, struct settings *from)
{
    setting_put(&settings->of[id], NULL, SETTINGS_DEFAULT, NULL);
    settings->of[id] = from->of[id];
    from->of[id] = (struct setting){0};
    settings_reset(from, id, SETTINGS_COMMAND_LINE);
}

void settings_move_sections(struct settings *settings, struct settings *from)
{
    sections_clear(&settings->sections);
    settings->sections = from->sections;
    from->sections = (struct sections){0};
}

bool settings_given(const struct settings *settings, enum option_id id)
{
    return settings->of[id].origin != SETTINGS_DEFAULT;
}

static const char *settings_place(const struct settings *settings, enum option_id id)
{
    const struct setting *setting = &settings->of[id];

    if (setting->origin == SETTINGS_DEFAULT && settings->standard[id])
        return "default of --tpm";
    return setting_place(setting);
}

char *settings_show(const struct settings *settings)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (!option_table[id].no_key)
            setting_write(&settings->of[id], settings_place(settings, id), file, OPTION_SECTION,
                          option_table[id].name);
    }
    sections_show(&settings->sections, file);
    return g_key_file_to_data(file, NULL, NULL);
}
