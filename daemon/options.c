/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include "engine/engine.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

/* The longest quiet time that can be asked for: a day. */
#define OPTIONS_IDLE_MAX_MS 86400000

/* The strings of a command line as GOption leaves them. */
struct options_raw {
    char *tcti, *bus_name, *logger, *connections, *sessions, *transients, *seed_file, *idle;
    gboolean session_bus, flush_all, allow_root, version, verbose, help;
};

struct options_range {
    const char *name;
    unsigned least, most, standard;
};

static const struct options_range options_connections = {"--max-connections", 1, 16384, 1024};
static const struct options_range options_sessions = {"--max-sessions", 1, 64, 16};
static const struct options_range options_transients = {"--max-transients", 1, 1024, 64};
static const struct options_range options_idle = {"--idle-release", 0, OPTIONS_IDLE_MAX_MS, 250};

/* A decimal number in a range; false with a line in *text for anything else. */
static bool options_number(const struct options_range *range, const char *string, unsigned *value,
                           const char *or_else, char **text)
{
    gint64 number;

    *value = range->standard;
    if (!string)
        return true;
    errno = 0;
    if (g_ascii_isdigit(string[0])) {
        char *end;

        number = g_ascii_strtoll(string, &end, 10);
        if (*end == '\0' && errno == 0 && number >= range->least && number <= range->most) {
            *value = (unsigned)number;
            return true;
        }
    }
    *text = g_strdup_printf("%s takes a number from %u to %u%s, not \"%s\"", range->name,
                            range->least, range->most, or_else, string);
    return false;
}

static bool options_idle_release(const char *string, int *value, char **text)
{
    unsigned number;

    *value = ENGINE_IDLE_NEVER;
    if (g_strcmp0(string, "never") == 0)
        return true;
    if (!options_number(&options_idle, string, &number, " (milliseconds) or \"never\"", text))
        return false;
    *value = (int)number;
    return true;
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

static bool options_strings(struct options *options, struct options_raw *raw, char **text)
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

static bool options_take(struct options *options, struct options_raw *raw, char **text)
{
    options->session_bus = raw->session_bus;
    options->level = raw->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    options->flush_all = raw->flush_all;
    options->prng_seed_file = raw->seed_file != NULL;
    options->allow_root = raw->allow_root;
    options->show_version = raw->version;
    return options_strings(options, raw, text)
           && options_logger(raw->logger, &options->logger, text)
           && options_number(&options_connections, raw->connections, &options->max_connections, "",
                             text)
           && options_number(&options_sessions, raw->sessions, &options->max_sessions, "", text)
           && options_number(&options_transients, raw->transients, &options->max_transients, "",
                             text)
           && options_idle_release(raw->idle, &options->idle_release_ms, text);
}

static GOptionContext *options_context(struct options_raw *raw)
{
    GOptionContext *context = g_option_context_new("- TPM 2.0 access broker and resource manager");
    const GOptionEntry entries[] = {
        {"tcti", 't', 0, G_OPTION_ARG_STRING, &raw->tcti,
         "The TPM, as NAME:CONF of a TCTI library (default " OPTIONS_TCTI ")", "CONF"},
        {"session", 's', 0, G_OPTION_ARG_NONE, &raw->session_bus,
         "Serve on the session bus and not on the system bus", NULL},
        {"dbus-name", 'n', 0, G_OPTION_ARG_STRING, &raw->bus_name,
         "Name to own on the bus (default " OPTIONS_BUS_NAME ")", "NAME"},
        {"logger", 'l', 0, G_OPTION_ARG_STRING, &raw->logger, "Where log lines go (default stdout)",
         "stdout|syslog"},
        {"flush-all", 'f', 0, G_OPTION_ARG_NONE, &raw->flush_all,
         "Flush the TPM's sessions at the start, not only its objects", NULL},
        {"max-connections", 'm', 0, G_OPTION_ARG_STRING, &raw->connections,
         "Connections at a time, 1 to 16384 (default 1024)", "N"},
        {"max-sessions", 'e', 0, G_OPTION_ARG_STRING, &raw->sessions,
         "Sessions of one connection, 1 to 64 (default 16)", "N"},
        {"max-transients", 'r', 0, G_OPTION_ARG_STRING, &raw->transients,
         "Loaded objects of one connection, 1 to 1024 (default 64)", "N"},
        {"idle-release", 0, 0, G_OPTION_ARG_STRING, &raw->idle,
         "Quiet milliseconds after which the TPM is left empty (default 250)", "MS|never"},
        {"prng-seed-file", 'g', 0, G_OPTION_ARG_FILENAME, &raw->seed_file,
         "Ignored: random numbers are the kernel's", "FILE"},
        {"allow-root", 'o', 0, G_OPTION_ARG_NONE, &raw->allow_root, "Run although started as root",
         NULL},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &raw->verbose, "Log more", NULL},
        {"version", 'v', 0, G_OPTION_ARG_NONE, &raw->version, "Print the version and exit", NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &raw->help, "Print this help and exit", NULL},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
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
    g_free(raw.tcti);
    g_free(raw.bus_name);
    g_free(raw.logger);
    g_free(raw.connections);
    g_free(raw.sessions);
    g_free(raw.transients);
    g_free(raw.seed_file);
    g_free(raw.idle);
    return result;
}

void options_clear(struct options *options)
{
    g_free(options->tcti);
    g_free(options->bus_name);
    *options = (struct options){0};
}
