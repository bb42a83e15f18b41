/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats.h"

#include "manager-command.h"
#include "message.h"
#include "model-json.h"
#include "output.h"
#include "prometheus.h"
#include "stats-text.h"

#include <stdio.h>
#include <sysexits.h>

static struct place_options stats_place;
static gboolean stats_prometheus;

static const GOptionEntry stats_options[] = {
    {"prometheus", 'p', 0, G_OPTION_ARG_NONE, &stats_prometheus, "In the text format of Prometheus",
     NULL},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &stats_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &stats_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static void stats_print(const struct globals *globals, const struct model *model)
{
    struct view view = output_view(globals);
    g_autofree char *text = NULL;

    if (stats_prometheus) {
        text = prometheus_text(model);
        fputs(text, stdout);
    } else if (globals->json) {
        text = model_json_statistics(model);
        printf("%s\n", text);
    } else {
        text = stats_text(model, &view);
        output_print(globals, text);
    }
}

static int stats_run(const struct globals *globals, int argc, char **argv)
{
    const unsigned needed = MODEL_CHIP | MODEL_STATUS | MODEL_STATISTICS;
    unsigned parts = needed | MODEL_USERS;
    struct model *model;
    int status;

    if (!manager_command_bare("stats", argc, argv))
        return EX_USAGE;
    if (stats_prometheus && globals->json) {
        message_error("--json and --prometheus are two formats: name one of them");
        return EX_USAGE;
    }
    if (stats_prometheus)
        parts |= MODEL_SLOTS | MODEL_LOCKOUT;
    status = manager_command_ask(&stats_place, parts, needed, &model);
    if (status != EX_OK)
        return status;
    stats_print(globals, model);
    model_free(model);
    return EX_OK;
}

const struct subcommand stats_subcommand = {
    .name = "stats",
    .arguments = "",
    .help = "what tabrmd has counted since its start",
    .options = stats_options,
    .run = stats_run,
};
