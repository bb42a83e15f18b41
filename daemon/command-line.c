/* SPDX-License-Identifier: BSD-2-Clause */
#include "command-line.h"

#include <glib.h>
#include <string.h>

/* Where the help's texts begin. */
#define HELP_COLUMN 37

/* The words that are still to be read. */
struct words {
    struct settings *settings;
    struct findings *findings;
    char *const *next;
    char *const *end;
};

/* Takes an option with the value that stands with it, or NULL; `word` is how it was written. */
static bool command_line_take(struct words *words, enum option_id id, const char *value,
                              const char *word)
{
    const struct option_entry *entry = &option_table[id];

    if (!value && !entry->argument)
        value = "yes";
    else if (!value && words->next < words->end)
        value = *words->next++;
    if (value)
        settings_set(words->settings, id, value, SETTINGS_COMMAND_LINE, NULL);
    else
        findings_command_line(words->findings, "%s wants a value: --%s=%s", word, entry->name,
                              entry->argument);
    return value != NULL;
}

static bool command_line_unknown(struct words *words, const char *word)
{
    findings_command_line(words->findings, "there is no option %s (--help lists the options)",
                          word);
    return false;
}

static bool command_line_long(struct words *words, const char *word)
{
    const char *value = strchr(word, '=');
    g_autofree char *name = value ? g_strndup(word, (gsize)(value - word)) : g_strdup(word);
    enum option_id id = option_table_find(name + 2);

    if (id == OPTION_COUNT)
        return command_line_unknown(words, name);
    return command_line_take(words, id, value ? value + 1 : NULL, name);
}

/* Only the last letter of a word can have a value, which is the next word. */
static bool command_line_letters(struct words *words, const char *word)
{
    for (const char *at = word + 1; *at; at++) {
        enum option_id id = option_table_letter(*at);
        char option[3] = {'-', *at, '\0'};

        if (id == OPTION_COUNT)
            return command_line_unknown(words, option);
        if (option_table[id].argument && at[1]) {
            findings_command_line(words->findings,
                                  "%s wants a value, and stands before others in "
                                  "\"%s\": put it last",
                                  option, word);
            return false;
        }
        if (!command_line_take(words, id, NULL, option))
            return false;
    }
    return true;
}

/* A word without a dash, or behind `--`, is an argument, and the daemon takes none. */
static bool command_line_argument(struct words *words, const char *word)
{
    bool dashes = strcmp(word, "--") == 0;

    if (dashes && words->next == words->end)
        return true;
    findings_command_line(words->findings,
                          "argument \"%s\" means nothing (--help lists the options)",
                          dashes ? *words->next : word);
    return false;
}

bool command_line_read(struct settings *settings, struct findings *findings, int argc,
                       char *const *argv)
{
    struct words words = {settings, findings, argv + MIN(argc, 1), argv + argc};
    bool good = true;

    while (good && words.next < words.end) {
        const char *word = *words.next++;

        if (g_str_has_prefix(word, "--") && word[2])
            good = command_line_long(&words, word);
        else if (word[0] == '-' && word[1] && word[1] != '-')
            good = command_line_letters(&words, word);
        else
            good = command_line_argument(&words, word);
    }
    return good;
}

static void command_line_help_option(GString *help, const struct option_entry *entry)
{
    const char *standard = entry->otherwise ? entry->otherwise : entry->standard;
    gsize start = help->len;

    if (entry->letter)
        g_string_append_printf(help, "  -%c, --%s", entry->letter, entry->name);
    else
        g_string_append_printf(help, "  --%s", entry->name);
    if (entry->argument)
        g_string_append_printf(help, "=%s", entry->argument);
    do
        g_string_append_c(help, ' ');
    while (help->len - start < HELP_COLUMN);
    g_string_append(help, entry->help);
    if (entry->argument && strcmp(entry->argument, "N") == 0)
        g_string_append_printf(help, ", %u to %u", entry->least, entry->most);
    if (entry->argument && standard)
        g_string_append_printf(help, " (default %s)", standard);
    g_string_append_c(help, '\n');
}

char *command_line_help(void)
{
    GString *help = g_string_new("Usage:\n  tabrmd [OPTION]... - TPM 2.0 access broker and "
                                 "resource manager\n\nOptions:\n");

    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        command_line_help_option(help, &option_table[id]);
    return g_string_free(help, FALSE);
}
