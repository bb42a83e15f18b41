/* SPDX-License-Identifier: BSD-2-Clause */
#include "run.h"

#include "fapi-config.h"
#include "message.h"
#include "place.h"
#include "program.h"
#include "tcti-variables.h"

#include <sysexits.h>

static struct place_options run_place;

static const GOptionEntry run_options[] = {
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &run_place.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &run_place.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

static int run_program(const char *tcti, const struct fapi_config *fapi, char **argv)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    struct program program;

    for (const char *const *variable = tcti_variables; *variable; variable++)
        g_subprocess_launcher_setenv(launcher, *variable, tcti, TRUE);
    if (fapi->path)
        g_subprocess_launcher_setenv(launcher, FAPI_CONFIG_VARIABLE, fapi->path, TRUE);
    if (program_start(&program, launcher, argv, loop))
        g_main_loop_run(loop);
    program_clear(&program);
    return program.status;
}

static int run_run(const struct globals *globals, int argc, char **argv)
{
    g_autofree char *tcti = NULL;
    struct fapi_config fapi;
    int status;

    if (argc == 0) {
        message_error("run wants a program: tabrmctl run -- PROGRAM [ARGUMENT]...");
        return EX_USAGE;
    }
    if (globals->json) {
        message_error("run has no output of its own, and so no --json; options of %s stand "
                      "behind its name",
                      argv[0]);
        return EX_USAGE;
    }
    tcti = place_tcti(&run_place);
    if (!tcti)
        return EX_USAGE;
    if (!fapi_config_make(&fapi, tcti))
        return EX_CONFIG;
    status = run_program(tcti, &fapi, argv);
    fapi_config_clear(&fapi);
    return status;
}

const struct subcommand run_subcommand = {
    .name = "run",
    .arguments = "-- PROGRAM [ARGUMENT]...",
    .help = "start a program that uses tabrmd",
    .more = "The exit status is that of PROGRAM; 126 or 127 when it cannot be started.",
    .options = run_options,
    .run = run_run,
};
