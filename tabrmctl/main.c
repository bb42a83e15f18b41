/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the options that stand before the subcommand, and those behind it, of which the first word
 * that is none begins the subcommand's arguments. */
#include "config.h"
#include "message.h"
#include "subcommands.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define MAIN_SYNOPSIS "SUBCOMMAND [ARGUMENT]..."
#define MAIN_MORE \
    "`tabrmctl SUBCOMMAND --help` has the options of a subcommand, tabrmctl(1) the rest."

static struct globals main_globals;

static const GOptionEntry main_entries[] = {
    {"help", 'h', 0, G_OPTION_ARG_NONE, &main_globals.help, "This help", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &main_globals.version, "The version", NULL},
    {"json", 0, 0, G_OPTION_ARG_NONE, &main_globals.json, "Output for programs to read", NULL},
    {"no-pager", 0, 0, G_OPTION_ARG_NONE, &main_globals.no_pager,
     "No pager for long output on a terminal", NULL},
    {"no-color", 0, 0, G_OPTION_ARG_NONE, &main_globals.no_color, "No colors on a terminal", NULL},
    {.long_name = NULL},
};

/* The options of the command line, with those of a subcommand or, where it is NULL, without. */
static GOptionContext *main_context(const struct subcommand *subcommand)
{
    g_autofree char *arguments =
        subcommand ? g_strdup_printf("%s %s", subcommand->name, subcommand->arguments) : NULL;
    g_autofree char *about =
        subcommand
            ? g_strdup_printf("%c%s.", g_ascii_toupper(*subcommand->help), subcommand->help + 1)
            : NULL;
    GOptionContext *context = g_option_context_new(subcommand ? arguments : MAIN_SYNOPSIS);

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, TRUE);
    if (subcommand) {
        g_option_context_set_summary(context, about);
        g_option_context_set_description(context, subcommand->more);
        if (subcommand->options)
            g_option_context_add_main_entries(context, subcommand->options, NULL);
    }
    g_option_context_add_main_entries(context, main_entries, NULL);
    return context;
}

/* Takes the options off the front of the words. */
static bool main_parse(GOptionContext *context, int *argc, char ***argv)
{
    g_autoptr(GError) error = NULL;

    if (g_option_context_parse(context, argc, argv, &error))
        return true;
    message_error("%s (--help lists the options)", error->message);
    return false;
}

static int main_print_help(GOptionContext *context, const struct subcommand *subcommand)
{
    if (!subcommand) {
        g_autofree char *list = subcommands_help();
        g_autofree char *more = g_strconcat("Subcommands:\n", list, "\n" MAIN_MORE, NULL);

        g_option_context_set_summary(context, "Shows and steers tabrmd, the TPM 2.0 access broker "
                                              "and resource manager.");
        g_option_context_set_description(context, more);
    }
    g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);

    printf("%s", help);
    return EX_OK;
}

/* Takes the two dashes off that may stand before a subcommand's arguments. */
static void main_skip_dashes(int *argc, char ***argv)
{
    if (*argc > 0 && strcmp((*argv)[0], "--") == 0) {
        ++*argv;
        --*argc;
    }
}

/* The first word is the subcommand. */
static int main_run(int argc, char **argv)
{
    const struct subcommand *subcommand = subcommands_find(argv[0]);
    g_autoptr(GOptionContext) context = NULL;

    if (!subcommand) {
        message_error("there is no subcommand \"%s\"; the nearest is \"%s\" (--help lists them)",
                      argv[0], subcommands_nearest(argv[0]));
        return EX_USAGE;
    }
    context = main_context(subcommand);
    if (!main_parse(context, &argc, &argv))
        return EX_USAGE;
    if (main_globals.help)
        return main_print_help(context, subcommand);
    argc--;
    argv++;
    main_skip_dashes(&argc, &argv);
    return subcommand->run(&main_globals, argc, argv);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = main_context(NULL);

    if (!main_parse(context, &argc, &argv))
        return EX_USAGE;
    if (main_globals.version) {
        printf("tabrmctl version %s\n", TABRMD_VERSION);
        return EX_OK;
    }
    if (argc < 2 && main_globals.help)
        return main_print_help(context, NULL);
    if (argc < 2) {
        message_error("name a subcommand (--help lists them)");
        return EX_USAGE;
    }
    return main_run(argc - 1, argv + 1);
}
