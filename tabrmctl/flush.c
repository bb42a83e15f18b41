/* SPDX-License-Identifier: BSD-2-Clause */
#include "flush.h"

#include "manager-command.h"

#include <sysexits.h>

static struct place_options flush_place;

static const GOptionEntry flush_options[] = {
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &flush_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &flush_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int flush_run(const struct globals *globals, int argc, char **argv)
{
    if (!manager_command_bare("flush", argc, argv))
        return EX_USAGE;
    return manager_command_steer(globals, &flush_place, "FlushIdle", NULL, "cannot empty the TPM",
                                 "the TPM is emptied as soon as no command waits");
}

const struct subcommand flush_subcommand = {
    .name = "flush",
    .arguments = "",
    .help = "empty the TPM for its other users",
    .more = "Programs notice nothing but time: what they use comes back with their next commands.",
    .options = flush_options,
    .run = flush_run,
};
