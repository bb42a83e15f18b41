/* SPDX-License-Identifier: BSD-2-Clause */
#include "list.h"

#include "list-table.h"
#include "manager-command.h"
#include "model-json.h"
#include "output.h"

#include <stdio.h>
#include <sysexits.h>

static struct place_options list_place;
static gboolean list_users;

static const GOptionEntry list_options[] = {
    {"users", 'u', 0, G_OPTION_ARG_NONE, &list_users, "Users and their limits instead", NULL},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &list_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &list_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int list_run(const struct globals *globals, int argc, char **argv)
{
    const unsigned part = list_users ? MODEL_USERS : MODEL_CONNECTIONS;
    struct view view = output_view(globals);
    g_autofree char *text = NULL;
    struct model *model;
    int status;

    if (!manager_command_bare("list", argc, argv))
        return EX_USAGE;
    status = manager_command_ask(&list_place, part, part, &model);
    if (status != EX_OK)
        return status;
    if (globals->json) {
        text = list_users ? model_json_users(model) : model_json_connections(model);
        printf("%s\n", text);
    } else {
        text = list_users ? list_table_users(model, &view) : list_table_connections(model, &view);
        output_print(globals, text);
    }
    model_free(model);
    return EX_OK;
}

const struct subcommand list_subcommand = {
    .name = "list",
    .arguments = "",
    .help = "the connections, or the users",
    .options = list_options,
    .run = list_run,
};
