/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf-file.h"

#include "nearest.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum conf_where { CONF_BEFORE, CONF_OPTIONS, CONF_ABOUT_USERS, CONF_UNKNOWN };

/* Where a reader is in its file. */
struct conf_reader {
    const char *path;
    unsigned line;
    enum conf_where where;
    struct section *section; /* with CONF_ABOUT_USERS */
    unsigned options_line;   /* where the section of options began; 0: it has not */
    struct settings *settings;
    struct findings *findings;
};

static char *conf_place(const struct conf_reader *reader)
{
    return g_strdup_printf("%s:%u", reader->path, reader->line);
}

static const char *conf_nearest_option(const char *key)
{
    unsigned least = UINT_MAX;
    const char *nearest = "";

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        unsigned distance = nearest_distance(key, option_table[id].name);

        if (option_table[id].no_key || distance >= least)
            continue;
        least = distance;
        nearest = option_table[id].name;
    }
    return nearest;
}

/* The option of a key, whatever its case. */
static enum option_id conf_find_option(const char *key)
{
    enum option_id id = 0;

    while (id < OPTION_COUNT && g_ascii_strcasecmp(option_table[id].name, key) != 0)
        id++;
    return id;
}

/* The value of a line's only key; NULL with a finding when it is none. */
static char *conf_read_value(struct conf_reader *reader, const char *place, const char *key,
                             GKeyFile *line)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = g_key_file_get_string(line, OPTION_SECTION, key, &error);

    if (value && !error)
        return g_steal_pointer(&value);
    findings_add(reader->findings, FINDINGS_BAD, place,
                 "%s has an escape that means nothing; \\s, \\t, \\n, \\r and \\\\ do", key);
    return NULL;
}

static void conf_set_option(struct conf_reader *reader, const char *place, enum option_id id,
                            const char *value)
{
    if (value[0])
        settings_set(reader->settings, id, value, SETTINGS_FILE, place);
    else
        settings_reset(reader->settings, id, SETTINGS_FILE);
}

/* What is said for all, and is an option too, is that option. */
static void conf_set_rule(struct conf_reader *reader, const char *place, unsigned key,
                          const char *value)
{
    struct section *section = reader->section;

    if (section->kind == SECTION_FOR_ALL && rule_keys[key].option != OPTION_COUNT)
        conf_set_option(reader, place, rule_keys[key].option, value);
    else if (value[0])
        setting_put(&section->of[key], value, SETTINGS_FILE, place);
    else
        setting_put(&section->of[key], NULL, SETTINGS_DEFAULT, NULL);
}

static void conf_take_option(struct conf_reader *reader, const char *place, const char *key,
                             GKeyFile *line)
{
    enum option_id id = conf_find_option(key);
    g_autofree char *value = NULL;

    if (id == OPTION_COUNT && rule_keys_find(key) != SECTION_KEYS)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s is no key of [" OPTION_SECTION "]; put it below [Default], [User NAME] or "
                     "[Group NAME]",
                     key);
    else if (id == OPTION_COUNT)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "there is no key \"%s\"; the nearest is \"%s\"", key,
                     conf_nearest_option(key));
    else if (option_table[id].no_key)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s is for the command line alone; the nearest key is \"%s\"", key,
                     conf_nearest_option(key));
    else if ((value = conf_read_value(reader, place, key, line)))
        conf_set_option(reader, place, id, value);
}

static void conf_take_rule(struct conf_reader *reader, const char *place, const char *key,
                           GKeyFile *line)
{
    unsigned rule = rule_keys_find(key);
    enum option_id id = conf_find_option(key);
    g_autofree char *value = NULL;

    if (rule == SECTION_KEYS && id != OPTION_COUNT && !option_table[id].no_key)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s is no key of [%s]; put it below [" OPTION_SECTION "]", key,
                     reader->section->title);
    else if (rule == SECTION_KEYS)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "there is no key \"%s\" of [%s]; the nearest is \"%s\"", key,
                     reader->section->title, rule_keys_nearest(key));
    else if ((value = conf_read_value(reader, place, key, line)))
        conf_set_rule(reader, place, rule, value);
}

static void conf_take_key(struct conf_reader *reader, const char *place, const char *key,
                          GKeyFile *line)
{
    switch (reader->where) {
    case CONF_BEFORE:
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s stands before any section; put it below [" OPTION_SECTION "]", key);
        break;
    case CONF_OPTIONS:
        conf_take_option(reader, place, key, line);
        break;
    case CONF_ABOUT_USERS:
        conf_take_rule(reader, place, key, line);
        break;
    case CONF_UNKNOWN: /* is not looked at */
        break;
    }
}

/* A section that stands in one file twice is most likely meant to be another one. */
static void conf_note_twice(struct conf_reader *reader, const char *place, const char *title,
                            unsigned before)
{
    findings_add(reader->findings, FINDINGS_NOTE, place,
                 "[%s] stands in line %u already; of each key the last value counts", title,
                 before);
}

static void conf_enter_options(struct conf_reader *reader, const char *place)
{
    if (reader->options_line)
        conf_note_twice(reader, place, OPTION_SECTION, reader->options_line);
    reader->options_line = reader->line;
    reader->where = CONF_OPTIONS;
}

static void conf_enter(struct conf_reader *reader, const char *place, enum section_kind kind,
                       const char *name)
{
    struct section *section = sections_get(&reader->settings->sections, kind, name);
    g_autofree char *here = g_strconcat(reader->path, ":", NULL);

    if (section->place && g_str_has_prefix(section->place, here))
        conf_note_twice(reader, place, section->title,
                        (unsigned)strtoul(section->place + strlen(here), NULL, 10));
    g_free(section->place);
    section->place = g_strdup(place);
    reader->section = section;
    reader->where = CONF_ABOUT_USERS;
}

/* The sections that there are, by their first word. */
static const struct {
    const char *word, *title;
    enum section_kind kind; /* but of the one for options */
    bool named;
} conf_sections[] = {
    {OPTION_SECTION, OPTION_SECTION, SECTION_FOR_ALL, false},
    {"Default", "Default", SECTION_FOR_ALL, false},
    {"User", "User NAME", SECTION_FOR_USER, true},
    {"Group", "Group NAME", SECTION_FOR_GROUP, true},
};

static size_t conf_nearest_section(const char *word)
{
    size_t nearest = 0;

    for (size_t i = 1; i < G_N_ELEMENTS(conf_sections); i++) {
        if (nearest_distance(word, conf_sections[i].word)
            < nearest_distance(word, conf_sections[nearest].word))
            nearest = i;
    }
    return nearest;
}

/* A heading: a word and, of some, a name. Kinds are known whatever their case. */
static void conf_take_section(struct conf_reader *reader, const char *place, const char *heading)
{
    g_auto(GStrv) words = g_strsplit(heading, " ", 2);
    const char *word = words[0] ? words[0] : "",
               *name = words[0] && words[1] ? g_strstrip(words[1]) : "";
    size_t i = 0;

    while (i < G_N_ELEMENTS(conf_sections) && g_ascii_strcasecmp(word, conf_sections[i].word) != 0)
        i++;
    reader->where = CONF_UNKNOWN;
    if (i == G_N_ELEMENTS(conf_sections))
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "there is no section [%s]; the nearest is [%s]", heading,
                     conf_sections[conf_nearest_section(word)].title);
    else if (conf_sections[i].named != (name[0] != '\0'))
        findings_add(reader->findings, FINDINGS_BAD, place, "[%s] wants to be [%s]", heading,
                     conf_sections[i].title);
    else if (i == 0)
        conf_enter_options(reader, place);
    else
        conf_enter(reader, place, conf_sections[i].kind, name[0] ? name : NULL);
}

/* Takes a line without the white space around it. Lines of a section that is not known are passed
 * over. */
static void conf_take_line(struct conf_reader *reader, const char *text)
{
    bool heading = text[0] == '[';
    g_autofree char *place = conf_place(reader);
    g_autofree char *data =
        g_strdup_printf("%s%s\n", heading ? "" : "[" OPTION_SECTION "]\n", text);
    g_autofree char *section = NULL;
    g_autoptr(GKeyFile) line = g_key_file_new();
    g_auto(GStrv) keys = NULL;

    if (!heading && reader->where == CONF_UNKNOWN)
        return;
    if (!g_utf8_validate(text, -1, NULL)) {
        findings_add(reader->findings, FINDINGS_BAD, place, "this line is not UTF-8");
        return;
    }
    if (!g_key_file_load_from_data(line, data, strlen(data), G_KEY_FILE_KEEP_TRANSLATIONS, NULL)) {
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "\"%s\" is no [SECTION], no KEY=VALUE and no # comment", text);
        return;
    }
    section = g_key_file_get_start_group(line);
    if (heading) {
        conf_take_section(reader, place, g_strstrip(section));
        return;
    }
    keys = g_key_file_get_keys(line, section, NULL, NULL);
    if (keys && keys[0])
        conf_take_key(reader, place, keys[0], line);
}

void conf_file_parse(const char *path, const char *text, size_t size, struct settings *settings,
                     struct findings *findings)
{
    struct conf_reader reader = {.path = path, .settings = settings, .findings = findings};
    g_auto(GStrv) lines = NULL;

    if (memchr(text, '\0', size)) {
        findings_add(findings, FINDINGS_BAD, path, "is no text: it has bytes of zero");
        return;
    }
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        reader.line = i + 1;
        conf_take_line(&reader, g_strstrip(lines[i]));
    }
}

void conf_file_read(const char *path, struct settings *settings, struct findings *findings)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;

    if (g_file_get_contents(path, &text, &size, &error))
        conf_file_parse(path, text, size, settings, findings);
    else
        findings_add(findings, FINDINGS_BAD, path, "cannot be read: %s", error->message);
}
