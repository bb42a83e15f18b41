/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor-place.h"

#include "wire/tpm-name.h"

#include <glib.h>
#include <string.h>

#define PLACE_FIRST "tpm0"

void doctor_place_init(struct doctor_place *place, const char *tpm)
{
    const char *name = tpm ? tpm : PLACE_FIRST;
    const char *number = g_str_has_prefix(name, "tpm") ? name + strlen("tpm") : name;

    *place = (struct doctor_place){
        .device = g_strdup_printf("/dev/%s", name),
        .manager = g_strdup_printf("/dev/tpmrm%s", number),
        .sysfs = g_strdup_printf("/sys/class/tpm/%s", name),
        .socket = g_strdup_printf(TPM_NAME_DIRECTORY "%s%s/" TPM_NAME_SOCKET, tpm ? "-" : "",
                                  tpm ? tpm : ""),
        .unit = g_strdup_printf("tabrmd%s%s", tpm ? "@" : "", tpm ? tpm : ""),
        .policy = tpm ? TPM_NAME_BUS "-tpms.conf" : TPM_NAME_BUS ".conf",
    };
}

void doctor_place_clear(struct doctor_place *place)
{
    g_free(place->device);
    g_free(place->manager);
    g_free(place->sysfs);
    g_free(place->socket);
    g_free(place->unit);
}
