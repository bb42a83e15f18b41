/* SPDX-License-Identifier: BSD-2-Clause */
#include "place.h"

#include "conf.h"
#include "message.h"

#include <glib.h>
#include <string.h>

#define PLACE_LIBRARY "tabrmd"
#define PLACE_SOCKET  "manager.sock" /* in the directory of the daemon's other socket */

char *place_tcti(const struct place_options *options)
{
    if (!options->tpm)
        return g_strdup(options->tcti ? options->tcti : PLACE_LIBRARY ":");
    if (options->tcti) {
        message_error("--tpm and --tcti both say where tabrmd is: name one of them");
        return NULL;
    }
    if (!tpm_name_is_good(options->tpm, strlen(options->tpm))) {
        message_error("--tpm takes the name of a TPM such as tpm1, up to %d letters and digits "
                      "with a letter first, not \"%s\"",
                      TPM_NAME_MAX, options->tpm);
        return NULL;
    }
    return g_strdup_printf(PLACE_LIBRARY ":tpm=%s", options->tpm);
}

/* What stands behind the library's name in the TCTI; NULL where that is another one. */
static const char *place_configuration(const char *tcti)
{
    static const char *const names[] = {"libtss2-tcti-" PLACE_LIBRARY ".so.0",
                                        "libtss2-tcti-" PLACE_LIBRARY ".so", PLACE_LIBRARY};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        gsize length = strlen(names[i]);

        if (strncmp(tcti, names[i], length) == 0 && tcti[length] == ':')
            return tcti + length + 1;
        if (strcmp(tcti, names[i]) == 0)
            return "";
    }
    return NULL;
}

bool place_find(struct place *place, const struct place_options *options)
{
    g_autofree char *whole = place_tcti(options), *directory = NULL;
    const char *text = whole ? place_configuration(whole) : NULL, *wrong;
    struct conf conf;

    *place = (struct place){.socket = NULL};
    if (!whole)
        return false;
    if (!text) {
        message_error("\"%s\" is not tabrmd: --tcti takes tabrmd: and what tss2-tcti-tabrmd(7) has",
                      whole);
        return false;
    }
    wrong = conf_parse(&conf, text);
    if (wrong) {
        message_error("\"%s\": %s; see tss2-tcti-tabrmd(7)", whole, wrong);
        return false;
    }
    directory = g_path_get_dirname(conf.socket);
    if (conf.transport != CONF_DBUS)
        place->socket = g_build_filename(directory, PLACE_SOCKET, NULL);
    if (conf.transport != CONF_SOCKET)
        place->name = g_strdup(conf.bus_name);
    place->session = conf.bus == CONF_BUS_SESSION;
    return true;
}

void place_clear(struct place *place)
{
    g_clear_pointer(&place->socket, g_free);
    g_clear_pointer(&place->name, g_free);
}
