/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include "command-line.h"
#include "engine/engine.h"
#include "instance.h"
#include "option-rules.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/un.h>

/* Options on their way from text to values. */
struct options_reader {
    struct settings settings;
    struct findings findings;
};

/* A value is wrong: of a line, or of the command line. */
#define options_wrong(reader, id, ...) \
    findings_of(&(reader)->findings, FINDINGS_BAD, &(reader)->settings, id, __VA_ARGS__)

static const char *options_value(const struct options_reader *reader, enum option_id id)
{
    return reader->settings.of[id].value;
}

static bool options_given(const struct options_reader *reader, enum option_id id)
{
    return settings_given(&reader->settings, id);
}

static bool options_yes(const struct options_reader *reader, enum option_id id)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL};

    return g_strv_contains(yes, options_value(reader, id));
}

static bool options_flag(struct options_reader *reader, enum option_id id)
{
    static const char *const no[] = {"no", "false", "off", "0", NULL};
    const char *value = options_value(reader, id);
    bool is_yes = options_yes(reader, id);

    if (!is_yes && !g_strv_contains(no, value))
        options_wrong(reader, id, "takes yes or no, not \"%s\"", value);
    return is_yes;
}

/* The option's value as a decimal number in its range; `value` where the option has no such number.
 * `or_else` names the other values that the option takes. */
static unsigned options_number(struct options_reader *reader, enum option_id id, unsigned value,
                               const char *or_else)
{
    const struct option_entry *entry = &option_table[id];
    const char *text = options_value(reader, id);
    guint64 said;

    if (!text)
        return value;
    if (g_ascii_string_to_unsigned(text, 10, entry->least, entry->most, &said, NULL))
        return (unsigned)said;
    options_wrong(reader, id, "takes a number from %u to %u%s, not \"%s\"", entry->least,
                  entry->most, or_else, text);
    return value;
}

/* A limit of a user that nobody set follows from the limit of a connection. */
static void options_follow(struct options_reader *reader, enum option_id id, unsigned *value,
                           unsigned number)
{
    g_autofree char *text = g_strdup_printf("%u", number);

    if (options_given(reader, id))
        return;
    *value = number;
    settings_set(&reader->settings, id, text, SETTINGS_DEFAULT, NULL);
}

static void options_limits(struct options_reader *reader, struct options_limits *limits)
{
    const struct {
        enum option_id id;
        unsigned *value;
    } numbers[] = {
        {OPTION_MAX_CONNECTIONS, &limits->max_connections},
        {OPTION_MAX_CONNECTIONS_PER_USER, &limits->max_connections_per_user},
        {OPTION_MAX_SESSIONS, &limits->max_sessions},
        {OPTION_MAX_SESSIONS_PER_USER, &limits->max_sessions_per_user},
        {OPTION_MAX_TRANSIENTS, &limits->max_transients},
        {OPTION_MAX_TRANSIENTS_PER_USER, &limits->max_transients_per_user},
        {OPTION_MAX_ABANDONED_PER_USER, &limits->max_abandoned_per_user},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        *numbers[i].value =
            options_number(reader, numbers[i].id, option_table[numbers[i].id].least, "");
    /* What one connection may have, its user may have, unless it was said otherwise. */
    options_follow(reader, OPTION_MAX_SESSIONS_PER_USER, &limits->max_sessions_per_user,
                   MAX(limits->max_sessions_per_user, limits->max_sessions));
    options_follow(reader, OPTION_MAX_CONNECTIONS_PER_USER, &limits->max_connections_per_user,
                   limits->max_connections);
}

static int options_idle_release(struct options_reader *reader)
{
    const char *value = options_value(reader, OPTION_IDLE_RELEASE);

    if (strcmp(value, "auto") == 0)
        return IDLE_AUTO;
    if (strcmp(value, "never") == 0)
        return IDLE_NEVER;
    return (int)options_number(reader, OPTION_IDLE_RELEASE, 0,
                               " (milliseconds), \"auto\" or \"never\"");
}

static struct reserve_rule options_reserve(struct options_reader *reader)
{
    const char *value = options_value(reader, OPTION_RESERVE);
    g_auto(GStrv) words = NULL;
    guint64 objects = 0, sessions = 0;

    if (strcmp(value, "auto") == 0)
        return (struct reserve_rule){.kind = RESERVE_AUTO};
    if (strcmp(value, "never") == 0)
        return (struct reserve_rule){.kind = RESERVE_NEVER};
    words = g_strsplit(value, ",", 3);
    if (g_strv_length(words) != 2
        || !g_ascii_string_to_unsigned(words[0], 10, 0, RESERVE_MOST, &objects, NULL)
        || !g_ascii_string_to_unsigned(words[1], 10, 0, RESERVE_MOST, &sessions, NULL)) {
        options_wrong(reader, OPTION_RESERVE,
                      "takes two numbers from 0 to %u, for example 2,1 for two objects and one "
                      "session, or \"auto\" or \"never\", not \"%s\"",
                      RESERVE_MOST, value);
        objects = sessions = 0;
    }
    return (struct reserve_rule){RESERVE_SLOTS, (uint32_t)objects, (uint32_t)sessions};
}

/* Whether the second one of two words was said. */
static bool options_choice(struct options_reader *reader, enum option_id id, const char *first,
                           const char *second)
{
    const char *value = options_value(reader, id);
    bool is_second = strcmp(value, second) == 0;

    if (!is_second && strcmp(value, first) != 0)
        options_wrong(reader, id, "takes \"%s\" or \"%s\", not \"%s\"", first, second, value);
    return is_second;
}

/* Two options that do not go together. What the command line says of one of them takes back what a
 * file says of the other one. */
static void options_exclude(struct options_reader *reader, enum option_id one, enum option_id other,
                            const char *why)
{
    struct setting *first = &reader->settings.of[one], *second = &reader->settings.of[other];

    if (first->origin < second->origin)
        settings_reset(&reader->settings, one, SETTINGS_FILE);
    else if (second->origin < first->origin)
        settings_reset(&reader->settings, other, SETTINGS_FILE);
    else
        options_wrong(reader, one, "does not go with %s%s%s%s", second->place ? second->place : "",
                      second->place ? ": " : "--", option_table[other].name, why);
}

/* What is said of an option that is a flag, or has any value. */
static bool options_wanted(struct options_reader *reader, enum option_id id)
{
    return options_given(reader, id) && (option_table[id].argument || options_yes(reader, id));
}

static void options_exclusions(struct options_reader *reader)
{
    static const struct {
        enum option_id one, other;
        const char *why;
    } pairs[] = {
        {OPTION_NO_SOCKET, OPTION_SOCKET, ""},
        {OPTION_NO_SOCKET, OPTION_NO_DBUS, ": clients need one of both"},
        {OPTION_NO_DBUS, OPTION_SESSION, ""},
        {OPTION_NO_DBUS, OPTION_DBUS_NAME, ""},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (options_wanted(reader, pairs[i].one) && options_wanted(reader, pairs[i].other))
            options_exclude(reader, pairs[i].one, pairs[i].other, pairs[i].why);
}

static void options_ways(struct options_reader *reader, struct options *options)
{
    const char *socket, *group;

    options_exclusions(reader);
    options->session_bus = options_flag(reader, OPTION_SESSION);
    options->no_bus = options_flag(reader, OPTION_NO_DBUS);
    options->no_socket = options_flag(reader, OPTION_NO_SOCKET);
    socket = options_value(reader, OPTION_SOCKET);
    options->socket = g_strdup(socket);
    group = options_value(reader, OPTION_SOCKET_GROUP);
    options->socket_group = g_strdup(group);
    if (!group[0])
        options_wrong(reader, OPTION_SOCKET_GROUP, "takes the name of a group");
    if (socket
        && (socket[0] != '/' || strlen(socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)))
        options_wrong(reader, OPTION_SOCKET,
                      "takes an absolute path of at most 107 bytes, not \"%s\"", socket);
}

static void options_names(struct options_reader *reader, struct options *options)
{
    const char *tcti = options_value(reader, OPTION_TCTI);

    options->tcti = g_strdup(tcti);
    options->bus_name = g_strdup(options_value(reader, OPTION_DBUS_NAME));
    if (tcti[0] == '\0')
        options_wrong(reader, OPTION_TCTI, "takes NAME:CONF, for example %s",
                      option_table[OPTION_TCTI].standard);
    if (!g_dbus_is_name(options->bus_name) || g_dbus_is_unique_name(options->bus_name))
        options_wrong(reader, OPTION_DBUS_NAME,
                      "takes a well-known D-Bus name such as %s, not "
                      "\"%s\"",
                      option_table[OPTION_DBUS_NAME].standard, options->bus_name);
}

static void options_take(struct options_reader *reader, struct options *options)
{
    options_ways(reader, options);
    options_names(reader, options);
    options->logger = options_choice(reader, OPTION_LOGGER, "stdout", "syslog") ? LOG_SINK_SYSLOG
                                                                                : LOG_SINK_STDOUT;
    options->level = options_flag(reader, OPTION_VERBOSE) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    options->flush_all = options_flag(reader, OPTION_FLUSH_ALL);
    options_limits(reader, &options->limits);
    options->reserve = options_reserve(reader);
    options->guests_apart = options_choice(reader, OPTION_GUESTS, "together", "apart");
    options->idle_release_ms = options_idle_release(reader);
    options->rules = option_rules_read(&reader->settings, options->limits.max_sessions_per_user,
                                       &reader->findings);
    option_policies_read(&options->policies, &reader->settings, &reader->findings);
    options->allow_root = options_flag(reader, OPTION_ALLOW_ROOT);
    options->show_version = options_flag(reader, OPTION_VERSION);
}

/* The files; gives how many there are. None is read for who wants to know the version only. */
static unsigned options_read_files(struct options_reader *reader, const struct conf_places *places)
{
    const char *file = options_value(reader, OPTION_CONFIG);
    g_autofree char *usual = places ? instance_file(&reader->settings, places->file) : NULL;
    struct conf_places own = {file ? file : usual, places ? places->vendor : NULL};

    if (options_yes(reader, OPTION_VERSION) || !own.file)
        return 0;
    return conf_files_read(&own, file != NULL, &reader->settings, &reader->findings);
}

/* The values with what was found at their head, as comments. */
static char *options_show(struct options_reader *reader, const char *notes)
{
    g_autofree char *values = settings_show(&reader->settings);
    g_auto(GStrv) lines = g_strsplit(notes ? notes : "", "\n", -1);
    GString *shown = g_string_new(NULL);

    for (unsigned i = 0; lines[i] && lines[i][0]; i++)
        g_string_append_printf(shown, "# %s\n", lines[i]);
    g_string_append(shown, values);
    return g_string_free(shown, FALSE);
}

static enum options_result options_judge(struct options_reader *reader, unsigned files, char **text)
{
    const struct findings *findings = &reader->findings;
    bool check = options_flag(reader, OPTION_CHECK_CONFIG);
    bool show = options_flag(reader, OPTION_SHOW_CONFIG);

    if (findings->command_line) {
        *text = g_strdup(findings->command_line);
        return OPTIONS_BAD;
    }
    *text = findings->lines ? g_strdup(findings->lines->str) : NULL;
    if (findings->bad || (check && findings->lines))
        return OPTIONS_UNFIT;
    if (check) {
        *text = g_strdup_printf("nothing is wrong; configuration files: %u\n", files);
        return OPTIONS_PRINT;
    }
    if (show) {
        g_autofree char *notes = g_steal_pointer(text);

        *text = options_show(reader, notes);
        return OPTIONS_PRINT;
    }
    return OPTIONS_RUN;
}

static enum options_result options_read(struct options_reader *reader, struct options *options,
                                        const struct conf_places *places, char **text)
{
    unsigned files;

    if (options_flag(reader, OPTION_HELP)) {
        *text = command_line_help();
        return OPTIONS_PRINT;
    }
    files = options_read_files(reader, places);
    options_take(reader, options);
    return options_judge(reader, files, text);
}

enum options_result options_parse(struct options *options, int argc, char *const *argv,
                                  const struct conf_places *places, char **text)
{
    struct options_reader reader = {0};
    enum options_result result = OPTIONS_BAD;

    *options = (struct options){0};
    settings_init(&reader.settings);
    if (command_line_read(&reader.settings, &reader.findings, argc, argv)
        && instance_settle(&reader.settings, &reader.findings))
        result = options_read(&reader, options, places, text);
    else
        *text = g_strdup(reader.findings.command_line);
    options->settings = reader.settings;
    findings_clear(&reader.findings);
    return result;
}

void options_clear(struct options *options)
{
    g_free(options->tcti);
    g_free(options->bus_name);
    g_free(options->socket);
    g_free(options->socket_group);
    if (options->rules)
        g_array_unref(options->rules);
    option_policies_clear(&options->policies);
    settings_clear(&options->settings);
    *options = (struct options){0};
}
