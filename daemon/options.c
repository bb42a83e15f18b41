/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include "engine/engine.h"

#include <errno.h>
#include <gio/gio.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* The longest quiet time that can be asked for: a day. */
#define OPTIONS_IDLE_MAX_MS 86400000

/* A limit: an option with a number. */
struct options_number {
    const char *name;
    char letter;
    unsigned least, most, standard; /* a default of 0 that is below `least` depends on others */
    size_t at;                      /* in struct options */
    const char *what, *standard_text;
};

#define OPTIONS_AT(member) offsetof(struct options_limits, member)

/* All the limits that the daemon has. */
static const struct options_number options_numbers[] = {
    {"max-connections", 'm', 1, 16384, 1024, OPTIONS_AT(max_connections), "Connections at a time",
     NULL},
    {"max-connections-per-user", 0, 1, 16384, 0, OPTIONS_AT(max_connections_per_user),
     "Connections of one user but root", "what its share is"},
    {"max-sessions", 'e', 1, 64, 16, OPTIONS_AT(max_sessions), "Sessions of one connection", NULL},
    {"max-sessions-per-user", 0, 1, 64, 48, OPTIONS_AT(max_sessions_per_user),
     "Sessions of one user", "48, or --max-sessions if that is more"},
    {"max-transients", 'r', 1, 1024, 64, OPTIONS_AT(max_transients),
     "Loaded objects of one connection", NULL},
    {"max-transients-per-user", 0, 1, 65536, 1024, OPTIONS_AT(max_transients_per_user),
     "Loaded objects of one user", NULL},
    {"max-abandoned-per-user", 0, 0, 64, 16, OPTIONS_AT(max_abandoned_per_user),
     "Saved sessions that a user's closed connections leave", NULL},
};

#define OPTIONS_NUMBERS (sizeof(options_numbers) / sizeof(options_numbers[0]))

static const struct options_number options_idle = {
    .name = "idle-release", .least = 0, .most = OPTIONS_IDLE_MAX_MS};

/* The strings of a command line as GOption leaves them. */
struct options_raw {
    char *tcti, *bus_name, *socket, *logger, *seed_file, *reserve, *idle, *high, *low, *guests;
    char *numbers[OPTIONS_NUMBERS];
    char *number_texts[OPTIONS_NUMBERS]; /* of the help */
    gboolean session_bus, no_bus, no_socket, flush_all, allow_root, version, verbose, help;
};

/* A decimal number in a range; false with a line in *text for anything else. */
static bool options_number(const struct options_number *number, const char *string, unsigned *value,
                           const char *or_else, char **text)
{
    *value = number->standard;
    if (!string)
        return true;
    errno = 0;
    if (g_ascii_isdigit(string[0])) {
        char *end;
        gint64 said = g_ascii_strtoll(string, &end, 10);

        if (*end == '\0' && errno == 0 && said >= number->least && said <= number->most) {
            *value = (unsigned)said;
            return true;
        }
    }
    *text = g_strdup_printf("--%s takes a number from %u to %u%s, not \"%s\"", number->name,
                            number->least, number->most, or_else, string);
    return false;
}

static bool options_limits(struct options *options, const struct options_raw *raw, char **text)
{
    for (size_t i = 0; i < OPTIONS_NUMBERS; i++) {
        unsigned *value = (unsigned *)(void *)((char *)&options->limits + options_numbers[i].at);

        if (!options_number(&options_numbers[i], raw->numbers[i], value, "", text))
            return false;
        /* What one connection may have, its user may have, unless it was said otherwise. */
        if (value == &options->limits.max_sessions_per_user && !raw->numbers[i])
            *value = MAX(*value, options->limits.max_sessions);
        if (value == &options->limits.max_connections_per_user && !raw->numbers[i])
            *value = options->limits.max_connections;
    }
    return true;
}

static bool options_idle_release(const char *string, int *value, char **text)
{
    unsigned number;

    *value = IDLE_AUTO;
    if (!string || strcmp(string, "auto") == 0)
        return true;
    *value = IDLE_NEVER;
    if (strcmp(string, "never") == 0)
        return true;
    if (!options_number(&options_idle, string, &number, " (milliseconds), \"auto\" or \"never\"",
                        text))
        return false;
    *value = (int)number;
    return true;
}

static bool options_reserve(const char *string, struct reserve_rule *rule, char **text)
{
    g_auto(GStrv) words = NULL;
    guint64 objects, sessions;

    rule->kind = RESERVE_AUTO;
    if (!string || strcmp(string, "auto") == 0)
        return true;
    rule->kind = RESERVE_NEVER;
    if (strcmp(string, "never") == 0)
        return true;
    rule->kind = RESERVE_SLOTS;
    words = g_strsplit(string, ",", 3);
    if (g_strv_length(words) == 2
        && g_ascii_string_to_unsigned(words[0], 10, 0, RESERVE_MOST, &objects, NULL)
        && g_ascii_string_to_unsigned(words[1], 10, 0, RESERVE_MOST, &sessions, NULL)) {
        rule->objects = (uint32_t)objects;
        rule->sessions = (uint32_t)sessions;
        return true;
    }
    *text = g_strdup_printf("--reserve takes two numbers from 0 to %u, for example 2,1 for two "
                            "objects and one session, or \"auto\" or \"never\", not \"%s\"",
                            RESERVE_MOST, string);
    return false;
}

static bool options_logger(const char *string, enum log_sink *sink, char **text)
{
    *sink = LOG_SINK_STDOUT;
    if (!string || strcmp(string, "stdout") == 0)
        return true;
    *sink = LOG_SINK_SYSLOG;
    if (strcmp(string, "syslog") == 0)
        return true;
    *text = g_strdup_printf("--logger takes \"stdout\" or \"syslog\", not \"%s\"", string);
    return false;
}

static bool options_guests(const char *string, bool *apart, char **text)
{
    *apart = g_strcmp0(string, "apart") == 0;
    if (!string || *apart || strcmp(string, "together") == 0)
        return true;
    *text = g_strdup_printf("--guests takes \"together\" or \"apart\", not \"%s\"", string);
    return false;
}

/* A user by number or name. The number that chown() takes for "none" is nobody's. */
static bool options_user(const char *word, uint32_t *uid)
{
    const struct passwd *entry;
    guint64 number;

    if (g_ascii_string_to_unsigned(word, 10, 0, UINT32_MAX - 1, &number, NULL)) {
        *uid = (uint32_t)number;
        return true;
    }
    entry = word[0] ? getpwnam(word) : NULL;
    if (entry)
        *uid = entry->pw_uid;
    return entry != NULL;
}

static bool options_users(const char *name, const char *string, struct options_users *users,
                          char **text)
{
    g_auto(GStrv) words = NULL;

    if (!string)
        return true;
    words = g_strsplit(string, ",", -1);
    users->uids = g_new0(uint32_t, g_strv_length(words) + 1);
    for (unsigned i = 0; words[i]; i++, users->count++) {
        if (options_user(words[i], &users->uids[i]))
            continue;
        *text = g_strdup_printf("%s takes user names and numbers with commas between; there is no "
                                "user \"%s\"",
                                name, words[i]);
        return false;
    }
    if (users->count == 0)
        *text = g_strdup_printf("%s takes user names and numbers with commas between", name);
    return users->count > 0;
}

static bool options_priorities(struct options *options, const struct options_raw *raw, char **text)
{
    if (!options_users("--high-priority", raw->high, &options->high_priority, text)
        || !options_users("--low-priority", raw->low, &options->low_priority, text))
        return false;
    for (unsigned i = 0; i < options->high_priority.count; i++)
        for (unsigned k = 0; k < options->low_priority.count; k++)
            if (options->high_priority.uids[i] == options->low_priority.uids[k]) {
                *text = g_strdup_printf("user %u is in both --high-priority and --low-priority",
                                        options->high_priority.uids[i]);
                return false;
            }
    return true;
}

static bool options_ways(struct options *options, const struct options_raw *raw, char **text)
{
    options->no_bus = raw->no_bus;
    options->no_socket = raw->no_socket;
    options->socket = g_strdup(raw->socket);
    if (raw->no_socket && (raw->socket || raw->no_bus))
        *text = g_strdup_printf("--no-socket does not go with %s",
                                raw->socket ? "--socket" : "--no-dbus: clients need one of both");
    else if (raw->no_bus && (raw->session_bus || raw->bus_name))
        *text = g_strdup_printf("--no-dbus does not go with %s",
                                raw->session_bus ? "--session" : "--dbus-name");
    else if (raw->socket
             && (raw->socket[0] != '/'
                 || strlen(raw->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)))
        *text = g_strdup_printf("--socket takes an absolute path of at most 107 bytes, not \"%s\"",
                                raw->socket);
    return !*text;
}

static bool options_strings(struct options *options, const struct options_raw *raw, char **text)
{
    options->tcti = g_strdup(raw->tcti ? raw->tcti : OPTIONS_TCTI);
    options->bus_name = g_strdup(raw->bus_name ? raw->bus_name : OPTIONS_BUS_NAME);
    if (options->tcti[0] == '\0') {
        *text = g_strdup("--tcti takes NAME:CONF, for example device:/dev/tpm0");
        return false;
    }
    if (!g_dbus_is_name(options->bus_name) || g_dbus_is_unique_name(options->bus_name)) {
        *text = g_strdup_printf("--dbus-name takes a well-known D-Bus name such as %s, not \"%s\"",
                                OPTIONS_BUS_NAME, options->bus_name);
        return false;
    }
    return true;
}

static bool options_take(struct options *options, const struct options_raw *raw, char **text)
{
    options->session_bus = raw->session_bus;
    options->level = raw->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    options->flush_all = raw->flush_all;
    options->prng_seed_file = raw->seed_file != NULL;
    options->allow_root = raw->allow_root;
    options->show_version = raw->version;
    return options_strings(options, raw, text) && options_ways(options, raw, text)
           && options_logger(raw->logger, &options->logger, text)
           && options_limits(options, raw, text)
           && options_reserve(raw->reserve, &options->reserve, text)
           && options_guests(raw->guests, &options->guests_apart, text)
           && options_idle_release(raw->idle, &options->idle_release_ms, text)
           && options_priorities(options, raw, text);
}

/* The entries of the limits' table. */
static void options_add_numbers(GOptionContext *context, struct options_raw *raw)
{
    GOptionEntry entries[OPTIONS_NUMBERS + 1] = {0};

    for (size_t i = 0; i < OPTIONS_NUMBERS; i++) {
        const struct options_number *number = &options_numbers[i];
        g_autofree char *standard = g_strdup_printf("%u", number->standard);

        raw->number_texts[i] =
            g_strdup_printf("%s, %u to %u (default %s)", number->what, number->least, number->most,
                            number->standard_text ? number->standard_text : standard);
        entries[i] = (GOptionEntry){number->name,     number->letter,       0,  G_OPTION_ARG_STRING,
                                    &raw->numbers[i], raw->number_texts[i], "N"};
    }
    g_option_context_add_main_entries(context, entries, NULL);
}

/* The TPM, where clients come, and the log. */
static void options_add_places(GOptionContext *context, struct options_raw *raw)
{
    const GOptionEntry entries[] = {
        {"tcti", 't', 0, G_OPTION_ARG_STRING, &raw->tcti,
         "The TPM, as NAME:CONF of a TCTI library (default " OPTIONS_TCTI ")", "CONF"},
        {"session", 's', 0, G_OPTION_ARG_NONE, &raw->session_bus,
         "Serve on the session bus and not on the system bus", NULL},
        {"dbus-name", 'n', 0, G_OPTION_ARG_STRING, &raw->bus_name,
         "Name to own on the bus (default " OPTIONS_BUS_NAME ")", "NAME"},
        {"no-dbus", 0, 0, G_OPTION_ARG_NONE, &raw->no_bus, "Serve on the socket only", NULL},
        {"socket", 0, 0, G_OPTION_ARG_STRING, &raw->socket,
         "Socket to serve on beside the bus (default tcti.sock in $RUNTIME_DIRECTORY, if set)",
         "PATH"},
        {"no-socket", 0, 0, G_OPTION_ARG_NONE, &raw->no_socket, "Serve on the bus only", NULL},
        {"logger", 'l', 0, G_OPTION_ARG_STRING, &raw->logger, "Where log lines go (default stdout)",
         "stdout|syslog"},
        {"flush-all", 'f', 0, G_OPTION_ARG_NONE, &raw->flush_all,
         "Flush the TPM's sessions at the start, not only its objects", NULL},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

static void options_add_others(GOptionContext *context, struct options_raw *raw)
{
    const GOptionEntry entries[] = {
        {"guests", 0, 0, G_OPTION_ARG_STRING, &raw->guests,
         "How users who are no members of the socket's group share (default together)",
         "together|apart"},
        {"high-priority", 0, 0, G_OPTION_ARG_STRING, &raw->high,
         "Users with four times the usual share of the TPM's time", "USER,..."},
        {"low-priority", 0, 0, G_OPTION_ARG_STRING, &raw->low,
         "Users with a quarter of the usual share of the TPM's time", "USER,..."},
        {"reserve", 0, 0, G_OPTION_ARG_STRING, &raw->reserve,
         "Slots of the TPM that stay free for its other users (default auto)",
         "auto|never|OBJECTS,SESSIONS"},
        {"idle-release", 0, 0, G_OPTION_ARG_STRING, &raw->idle,
         "When the quiet TPM is left empty: soon if others use it, or after so many milliseconds "
         "(default auto)",
         "auto|MS|never"},
        {"prng-seed-file", 'g', 0, G_OPTION_ARG_FILENAME, &raw->seed_file,
         "Ignored: random numbers are the kernel's", "FILE"},
        {"allow-root", 'o', 0, G_OPTION_ARG_NONE, &raw->allow_root, "Run although started as root",
         NULL},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &raw->verbose, "Log more", NULL},
        {"version", 'v', 0, G_OPTION_ARG_NONE, &raw->version, "Print the version and exit", NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &raw->help, "Print this help and exit", NULL},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

static GOptionContext *options_context(struct options_raw *raw)
{
    GOptionContext *context = g_option_context_new("- TPM 2.0 access broker and resource manager");

    g_option_context_set_help_enabled(context, FALSE);
    options_add_places(context, raw);
    options_add_others(context, raw);
    options_add_numbers(context, raw);
    return context;
}

static enum options_result options_read(struct options *options, struct options_raw *raw,
                                        GStrv *arguments, char **text)
{
    g_autoptr(GOptionContext) context = options_context(raw);
    g_autoptr(GError) error = NULL;

    if (!g_option_context_parse_strv(context, arguments, &error)) {
        *text = g_strdup_printf("%s (--help lists the options)", error->message);
        return OPTIONS_BAD;
    }
    if (raw->help) {
        *text = g_option_context_get_help(context, TRUE, NULL);
        return OPTIONS_HELP;
    }
    if ((*arguments)[0] && (*arguments)[1]) {
        *text = g_strdup_printf("argument \"%s\" means nothing (--help lists the options)",
                                (*arguments)[1]);
        return OPTIONS_BAD;
    }
    return options_take(options, raw, text) ? OPTIONS_RUN : OPTIONS_BAD;
}

static void options_raw_clear(struct options_raw *raw)
{
    char *strings[] = {raw->tcti,    raw->bus_name, raw->socket, raw->logger, raw->seed_file,
                       raw->reserve, raw->idle,     raw->high,   raw->low,    raw->guests};

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        g_free(strings[i]);
    for (size_t i = 0; i < OPTIONS_NUMBERS; i++) {
        g_free(raw->numbers[i]);
        g_free(raw->number_texts[i]);
    }
}

/* What was typed may hold anything, and the text is to be one line of UTF-8. */
static char *options_one_line(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (char *at = valid; *at; at++) {
        if (g_ascii_iscntrl(*at))
            *at = '?';
    }
    return g_steal_pointer(&valid);
}

enum options_result options_parse(struct options *options, int argc, char **argv, char **text)
{
    struct options_raw raw = {0};
    enum options_result result;
    /* GOption frees the words that it takes off the vector. */
    g_auto(GStrv) arguments = g_new0(char *, (gsize)argc + 1);

    for (int i = 0; i < argc; i++)
        arguments[i] = g_strdup(argv[i]);
    *options = (struct options){0};
    *text = NULL;
    result = options_read(options, &raw, &arguments, text);
    options_raw_clear(&raw);
    if (result == OPTIONS_BAD) {
        char *line = options_one_line(*text);

        g_free(*text);
        *text = line;
    }
    return result;
}

void options_clear(struct options *options)
{
    g_free(options->tcti);
    g_free(options->bus_name);
    g_free(options->socket);
    g_free(options->high_priority.uids);
    g_free(options->low_priority.uids);
    *options = (struct options){0};
}
