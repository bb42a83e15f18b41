/* SPDX-License-Identifier: BSD-2-Clause */
#include "reload.h"

#include <stdlib.h>
#include <string.h>

static void reload_log(enum log_level level, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (unsigned i = 0; lines[i] && lines[i][0]; i++)
        log_at(level, "%s", lines[i]);
}

/* The options of which the values differ, with commas between: those that can change while the
 * daemon runs, or the others. */
static char *reload_differences(const struct settings *one, const struct settings *other, bool live)
{
    GString *names = g_string_new(NULL);

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (option_table[id].live == live && g_strcmp0(one->of[id].value, other->of[id].value) != 0)
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", option_table[id].name);
    }
    return g_string_free(names, FALSE);
}

/* What changed and is in force by now: options, and sections about users. */
static char *reload_changes(const struct settings *one, const struct settings *other)
{
    g_autofree char *options = reload_differences(one, other, true);
    g_autofree char *sections = sections_differences(&one->sections, &other->sections);

    if (!options[0] && !sections[0])
        return g_strdup("nothing");
    return g_strconcat(options, options[0] && sections[0] ? ", " : "", sections, NULL);
}

static void reload_take_over(struct options *options, struct options *next)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (option_table[id].live)
            settings_move(&options->settings, id, &next->settings);
    }
    settings_move_sections(&options->settings, &next->settings);
    g_array_unref(options->rules);
    options->rules = g_steal_pointer(&next->rules);
    options->limits = next->limits;
    options->level = next->level;
    options->idle_release_ms = next->idle_release_ms;
    option_policies_clear(&options->policies);
    options->policies = next->policies;
    next->policies = (struct option_policies){0};
}

static void reload_change(struct options *options, struct options *next)
{
    g_autofree char *changed = reload_changes(&options->settings, &next->settings);
    g_autofree char *waiting = reload_differences(&options->settings, &next->settings, false);

    reload_take_over(options, next);
    log_set_level(options->level);
    log_event(LOG_EVENT_RELOADED, LOG_NOBODY, "configuration read again; changed: %s", changed);
    if (waiting[0])
        log_warning("what changes with the next start only: %s", waiting);
}

bool reload_options(struct options *options, const struct reload_source *source)
{
    struct options next;
    char *text;
    enum options_result result =
        options_parse(&next, source->argc, source->argv, source->places, &text);

    switch (result) {
    case OPTIONS_RUN:
        reload_log(LOG_LEVEL_WARNING, text);
        reload_change(options, &next);
        break;
    case OPTIONS_UNFIT:
    case OPTIONS_BAD:
    case OPTIONS_PRINT:
        reload_log(LOG_LEVEL_ERROR, text);
        log_event(LOG_EVENT_RELOAD_FAILED, LOG_NOBODY,
                  "the configuration is wrong; what was in force stays");
        break;
    }
    free(text);
    options_clear(&next);
    return result == OPTIONS_RUN;
}
