/* SPDX-License-Identifier: BSD-2-Clause */
#include "instance.h"

#include "wire/tpm-name.h"

#include <string.h>

/* The daemon without a name has a file of this name. */
#define INSTANCE_RESERVED "tabrmd"

static const char *instance_name(const struct settings *settings)
{
    return settings->of[OPTION_TPM].value;
}

/* The options that depend on the TPM's name. */
static void instance_set(struct settings *settings, const char *name)
{
    g_autofree char *tcti = g_strdup_printf("device:/dev/%s", name);
    g_autofree char *bus_name = g_strdup_printf(TPM_NAME_BUS ".%s", name);

    settings_set_standard(settings, OPTION_TCTI, tcti);
    settings_set_standard(settings, OPTION_DBUS_NAME, bus_name);
}

bool instance_settle(struct settings *settings, struct findings *findings)
{
    const char *name = instance_name(settings);

    if (!name)
        return true;
    if (tpm_name_is_good(name, strlen(name)) && strcmp(name, INSTANCE_RESERVED) != 0) {
        instance_set(settings, name);
        return true;
    }
    findings_of(findings, FINDINGS_BAD, settings, OPTION_TPM,
                "takes the name of a TPM such as tpm1, up to %d letters and digits with a letter "
                "first and not \"" INSTANCE_RESERVED "\", not \"%s\"",
                TPM_NAME_MAX, name);
    return false;
}

char *instance_file(const struct settings *settings, const char *file)
{
    g_autofree char *directory = g_path_get_dirname(file);
    const char *name = instance_name(settings);

    return name ? g_strdup_printf("%s/%s.conf", directory, name) : g_strdup(file);
}
