/* SPDX-License-Identifier: BSD-2-Clause */
#include "status.h"

#include "health.h"
#include "manager-command.h"
#include "model-json.h"
#include "output.h"
#include "status-screen.h"

#include <stdio.h>
#include <sysexits.h>

static struct place_options status_place;

static const GOptionEntry status_options[] = {
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &status_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &status_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int status_run(const struct globals *globals, int argc, char **argv)
{
    const unsigned needed = MODEL_CHIP | MODEL_STATUS;
    struct view view = output_view(globals);
    g_autofree char *text = NULL;
    struct model *model;
    int status;

    if (!manager_command_bare("status", argc, argv))
        return EX_USAGE;
    status = manager_command_ask(
        &status_place, needed | MODEL_USERS | MODEL_STATISTICS | MODEL_SLOTS | MODEL_LOCKOUT,
        needed, &model);
    if (status != EX_OK)
        return status;
    if (globals->json) {
        text = model_json_status(model);
        printf("%s\n", text);
    } else {
        text = status_screen(model, &view);
        output_print(globals, text);
    }
    status = health_of(model).good ? EX_OK : STATUS_FINDINGS;
    model_free(model);
    return status;
}

const struct subcommand status_subcommand = {
    .name = "status",
    .arguments = "",
    .help = "how tabrmd and its TPM are, on a screen",
    .more = "The exit status is 0 when all is well, and 1 when something is not.",
    .options = status_options,
    .run = status_run,
};
