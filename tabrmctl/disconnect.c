/* SPDX-License-Identifier: BSD-2-Clause */
#include "disconnect.h"

#include "manager-command.h"
#include "message.h"

#include <inttypes.h>
#include <sysexits.h>

static struct place_options disconnect_place;

static const GOptionEntry disconnect_options[] = {
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &disconnect_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &disconnect_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int disconnect_run(const struct globals *globals, int argc, char **argv)
{
    g_autofree char *what = NULL, *done = NULL;
    guint64 number;

    if (argc != 1 || !g_ascii_string_to_unsigned(argv[0], 10, 1, G_MAXUINT64, &number, NULL)) {
        message_error("disconnect wants the number of one connection, as `tabrmctl list` has them");
        return EX_USAGE;
    }
    what = g_strdup_printf("cannot end connection %" PRIu64, number);
    done = g_strdup_printf("connection %" PRIu64 " is ended", number);
    return manager_command_steer(globals, &disconnect_place, "Disconnect",
                                 g_variant_new("(t)", number), what, done);
}

const struct subcommand disconnect_subcommand = {
    .name = "disconnect",
    .arguments = "NUMBER",
    .help = "end a connection",
    .more = "What its program has in the TPM is gone, and its next command fails.",
    .options = disconnect_options,
    .run = disconnect_run,
};
