/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCTI's configuration string. What is accepted is well formed, and says the same again when
 * it is written out and read back.
 */
#include "conf.h"
#include "fuzz.h"

#include <string.h>

/* Writes a string that asks for what `conf` holds. Where it names a TPM, both the name on the bus
 * and the socket are of that TPM. */
static void write_conf(const struct conf *conf, char *out, size_t size)
{
    bool tpm = conf->transport != CONF_SOCKET && strcmp(conf->socket, CONF_DEFAULT_SOCKET) != 0;
    const char *key = tpm ? "tpm" : "bus_name";
    const char *value = conf->bus_name + (tpm ? strlen(TPM_NAME_BUS ".") : 0);

    switch (conf->transport) {
    case CONF_DEFAULT:
        snprintf(out, size, "%s%s", tpm ? "tpm=" : "", tpm ? value : "");
        break;
    case CONF_SOCKET:
        snprintf(out, size, "socket=%s", conf->socket);
        break;
    case CONF_DBUS:
        snprintf(out, size, "bus_type=%s,%s=%s",
                 conf->bus == CONF_BUS_SYSTEM ? "system" : "session", key, value);
        break;
    }
}

static void check_again(const struct conf *conf)
{
    char text[2 * CONF_BUS_NAME_MAX];
    struct conf again;
    const char *wrong;

    write_conf(conf, text, sizeof(text));
    wrong = conf_parse(&again, text);
    fuzz_must(!wrong, "\"%s\" is refused: %s", text, wrong);
    fuzz_must(again.transport == conf->transport && again.bus == conf->bus
                  && strcmp(again.bus_name, conf->bus_name) == 0
                  && strcmp(again.socket, conf->socket) == 0,
              "\"%s\" is read otherwise than it was meant", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct conf conf;
    const char *wrong;

    fuzz_must(text, "no memory");
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    memset(&conf, 0x5A, sizeof(conf));
    wrong = conf_parse(&conf, text);
    if (wrong) {
        fuzz_must(wrong[0] != '\0', "a string is refused without a reason");
    } else {
        fuzz_must(strnlen(conf.bus_name, sizeof(conf.bus_name)) <= CONF_BUS_NAME_MAX
                      && strchr(conf.bus_name, '.'),
                  "the bus name is none");
        fuzz_must(strnlen(conf.socket, sizeof(conf.socket)) <= CONF_PATH_MAX
                      && conf.socket[0] == '/',
                  "the socket is no path");
        check_again(&conf);
    }
    free(text);
    return 0;
}
