/* SPDX-License-Identifier: BSD-2-Clause */
#include "log-level.h"

#include "json-text.h"
#include "manager-command.h"
#include "message.h"

#include <stdio.h>
#include <sysexits.h>

static struct place_options log_level_place;

static const GOptionEntry log_level_options[] = {
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &log_level_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &log_level_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int log_level_show(const struct globals *globals)
{
    g_autofree char *text = NULL;
    struct model *model;
    int status = manager_command_ask(&log_level_place, MODEL_CHIP, MODEL_CHIP, &model);

    if (status != EX_OK)
        return status;
    if (globals->json) {
        JsonBuilder *builder = json_builder_new();

        json_builder_begin_object(builder);
        json_text_string(builder, "log_level", model->chip.log_level);
        json_builder_end_object(builder);
        text = json_text_finish(builder, false);
    }
    printf("%s\n", text ? text : model->chip.log_level);
    model_free(model);
    return EX_OK;
}

static int log_level_run(const struct globals *globals, int argc, char **argv)
{
    g_autofree char *done = NULL;

    if (argc == 0)
        return log_level_show(globals);
    if (!manager_command_bare("log-level", argc - 1, argv + 1))
        return EX_USAGE;
    if (!g_utf8_validate(argv[0], -1, NULL)) {
        message_error("log-level takes error, warning, info or debug");
        return EX_USAGE;
    }
    done = g_strdup_printf("tabrmd logs what is %s and above, until it ends", argv[0]);
    return manager_command_steer(globals, &log_level_place, "SetLogLevel",
                                 g_variant_new("(s)", argv[0]), "cannot set the log level", done);
}

const struct subcommand log_level_subcommand = {
    .name = "log-level",
    .arguments = "[LEVEL]",
    .help = "tell, or set, how much tabrmd logs",
    .more = "LEVEL is error, warning, info or debug.",
    .options = log_level_options,
    .run = log_level_run,
};
