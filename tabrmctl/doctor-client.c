/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-client.h"

#include "tcti-variables.h"

#include <dlfcn.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

#define CLIENT_LIBRARY "libtss2-tcti-tabrmd.so.0"
/* What the library says of itself, and that of tpm2-abrmd does not. */
#define CLIENT_DESCRIPTION "TCTI for the TPM access broker and resource manager tabrmd"

static void doctor_client_absent(struct doctor_report *report)
{
    doctor_report_fault(report, DOCTOR_ASIDE, "library-absent",
                        g_strdup("programs do not find " CLIENT_LIBRARY),
                        "programs of the TPM2 Software Stack reach tabrmd by it",
                        g_strdup("install the client library; if it is there, sudo ldconfig"));
}

static void doctor_client_stale(struct doctor_report *report, const char *path)
{
    doctor_report_fault(
        report, DOCTOR_ASIDE, "library-stale",
        g_strdup_printf("programs load %s, which is the library of tpm2-abrmd", path),
        "it knows D-Bus alone, mixes up answers after a fork, and cannot cancel",
        g_strdup("sudo apt-get remove libtss2-tcti-tabrmd0, or take it out of the "
                 "loader's path; then sudo ldconfig"));
}

/* Which library the loader takes, for this process as for others. */
static void doctor_client_library(struct doctor_report *report)
{
    void *library = dlopen(CLIENT_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, TSS2_TCTI_INFO_SYMBOL) : NULL;
    TSS2_TCTI_INFO_FUNC info;
    Dl_info place = {0};

    if (!symbol) {
        doctor_client_absent(report);
    } else {
        memcpy(&info, &symbol, sizeof(info));
        dladdr(symbol, &place);
        if (strcmp(info()->description, CLIENT_DESCRIPTION) == 0)
            doctor_report_note(report, "library", "programs load %s", place.dli_fname);
        else
            doctor_client_stale(report, place.dli_fname);
    }
    if (library)
        dlclose(library);
}

/* Whether the TCTI is tabrmd's, which may be written with what the loader adds to the name. */
static bool doctor_client_names_tabrmd(const char *conf)
{
    g_autofree char *file = g_strndup(conf, strcspn(conf, ":"));
    g_autofree char *base = g_path_get_basename(file);
    const char *name = base;
    char *end;

    if (g_str_has_prefix(name, "libtss2-tcti-"))
        name += strlen("libtss2-tcti-");
    end = strstr(base, ".so");
    if (end)
        *end = '\0';
    return strcmp(name, "tabrmd") == 0;
}

/* Whether the library takes the configuration, whatever answers by it. */
static bool doctor_client_well_formed(const char *conf)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &tcti);

    Tss2_TctiLdr_Finalize(&tcti);
    return rc != TSS2_TCTI_RC_BAD_VALUE;
}

static void doctor_client_variable(struct doctor_report *report, const char *variable,
                                   const char *conf)
{
    if (!doctor_client_names_tabrmd(conf))
        doctor_report_fault(
            report, DOCTOR_ASIDE, "variable", g_strdup_printf("%s is \"%s\"", variable, conf),
            "programs that read it go past tabrmd, to the device that it holds or to "
            "another TPM",
            g_strdup_printf("unset %s, and take it out of the files that set it", variable));
    else if (!doctor_client_well_formed(conf))
        doctor_report_fault(
            report, DOCTOR_ASIDE, "variable",
            g_strdup_printf("%s is \"%s\", which the library does not understand", variable, conf),
            "programs that read it cannot connect",
            g_strdup_printf("export %s=tabrmd:, or as tss2-tcti-tabrmd(7) has it", variable));
    else
        doctor_report_note(report, "variable", "%s is \"%s\"", variable, conf);
}

void doctor_client_look(struct doctor_report *report)
{

    doctor_client_library(report);
    for (const char *const *variable = tcti_variables; *variable; variable++) {
        const char *conf = g_getenv(*variable);

        if (conf && *conf)
            doctor_client_variable(report, *variable, conf);
    }
}
