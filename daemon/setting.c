/* SPDX-License-Identifier: BSD-2-Clause */
#include "setting.h"

#include <glib.h>

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
