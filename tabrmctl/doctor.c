/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor.h"

#include "doctor-client.h"
#include "doctor-device.h"
#include "doctor-service.h"
#include "doctor-tpm.h"
#include "doctor-user.h"
#include "message.h"
#include "place.h"

#include <sysexits.h>

static struct place_options doctor_daemon;
static char *doctor_user, *doctor_root;
static gboolean doctor_all;

static const GOptionEntry doctor_options[] = {
    {"all", 'a', 0, G_OPTION_ARG_NONE, &doctor_all, "What is well, too", NULL},
    {"user", 'u', 0, G_OPTION_ARG_STRING, &doctor_user,
     "Whether this user may use tabrmd (who asks)", "NAME"},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &doctor_daemon.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &doctor_daemon.tpm, PLACE_TPM_HELP, "NAME"},
    /* For tests: a tree of files in the place of the machine. */
    {"root", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &doctor_root, NULL, NULL},
    {.long_name = NULL},
};

static int doctor_run(const struct globals *globals, int argc, char **argv)
{
    g_autofree char *tcti = place_tcti(&doctor_daemon);
    struct doctor_machine machine;
    struct doctor_report report;
    struct doctor_place place;
    int status;

    if (argc > 0) {
        message_error("argument \"%s\" means nothing to doctor", argv[0]);
        return EX_USAGE;
    }
    if (!tcti)
        return EX_USAGE;
    /* What a library would say of what is looked for is said here. */
    g_setenv("TSS2_LOG", "all+NONE", FALSE);
    doctor_place_init(&place, doctor_daemon.tpm);
    doctor_machine_init(&machine, doctor_root, doctor_user, &place);
    machine.tcti = tcti;
    doctor_report_init(&report);
    doctor_tpm_look(&machine, &report);
    doctor_device_look(&machine, &report);
    doctor_user_look(&machine, &report);
    doctor_service_look(&machine, &report);
    doctor_client_look(&report);
    doctor_service_look_at_socket(&machine, &report);
    doctor_tpm_conclude(&machine, &report);
    doctor_report_print(&report, globals, doctor_all);
    status = report.findings->len > 0 ? STATUS_FINDINGS : EX_OK;
    doctor_report_clear(&report);
    doctor_place_clear(&place);
    return status;
}

const struct subcommand doctor_subcommand = {
    .name = "doctor",
    .arguments = "",
    .help = "find what keeps programs from the TPM",
    .more = "The exit status is 1 when a fault was found, 0 when none was.",
    .options = doctor_options,
    .run = doctor_run,
};
