/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf-file.h"

#include "nearest.h"

#include <limits.h>
#include <string.h>

enum conf_section { CONF_BEFORE, CONF_KNOWN, CONF_UNKNOWN };

/* Where a reader is in its file. */
struct conf_reader {
    const char *path;
    unsigned line;
    enum conf_section section;
    struct settings *settings;
    struct findings *findings;
};

static char *conf_place(const struct conf_reader *reader)
{
    return g_strdup_printf("%s:%u", reader->path, reader->line);
}

static const char *conf_nearest_key(const char *key)
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

static void conf_take_value(struct conf_reader *reader, const char *place, enum option_id id,
                            GKeyFile *line)
{
    const char *key = option_table[id].name;
    g_autoptr(GError) error = NULL;
    g_autofree char *value = g_key_file_get_string(line, OPTION_SECTION, key, &error);

    if (!value || error)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s has an escape that means nothing; \\s, \\t, \\n, \\r and \\\\ do", key);
    else if (value[0])
        settings_set(reader->settings, id, value, SETTINGS_FILE, place);
    else
        settings_reset(reader->settings, id, SETTINGS_FILE);
}

static void conf_take_key(struct conf_reader *reader, const char *place, const char *key,
                          GKeyFile *line)
{
    enum option_id id = option_table_find(key);

    if (reader->section == CONF_BEFORE)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s stands before any section; put it below [" OPTION_SECTION "]", key);
    else if (id == OPTION_COUNT)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "there is no key \"%s\"; the nearest is \"%s\"", key, conf_nearest_key(key));
    else if (option_table[id].no_key)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "%s is for the command line alone; the nearest key is \"%s\"", key,
                     conf_nearest_key(key));
    else
        conf_take_value(reader, place, id, line);
}

static void conf_take_section(struct conf_reader *reader, const char *place, const char *name)
{
    bool known = strcmp(name, OPTION_SECTION) == 0;

    reader->section = known ? CONF_KNOWN : CONF_UNKNOWN;
    if (!known)
        findings_add(reader->findings, FINDINGS_BAD, place,
                     "there is no section [%s]; the nearest is [" OPTION_SECTION "]", name);
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

    if (!heading && reader->section == CONF_UNKNOWN)
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
        conf_take_section(reader, place, section);
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
