/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration string of the TCTI: comma separated `key=value` items in any order.
 *
 *   bus_name=NAME             the daemon's name on the bus
 *   bus_type=system|session   the bus
 *   socket=PATH               the daemon's listening socket instead of a bus
 *   tpm=NAME                  the daemon of that TPM: its socket and its name on the bus
 *
 * No key comes twice, no value is empty, socket does not go with the others, and tpm does not go
 * with bus_name. Items with nothing in them are skipped, so "bus_type=session," is good.
 */
#pragma once

#include <stddef.h>

#include "wire/tpm-name.h"

#define CONF_DEFAULT_BUS_NAME TPM_NAME_BUS
#define CONF_DEFAULT_SOCKET   TPM_NAME_DIRECTORY "/" TPM_NAME_SOCKET
#define CONF_BUS_NAME_MAX     255 /* D-Bus specification, "Valid Names" */
#define CONF_PATH_MAX         107 /* what sun_path of a Unix socket address takes */

enum conf_transport {
    CONF_DEFAULT, /* the socket if somebody listens there, else D-Bus */
    CONF_SOCKET,
    CONF_DBUS,
};

enum conf_bus { CONF_BUS_SYSTEM, CONF_BUS_SESSION };

struct conf {
    enum conf_transport transport;
    enum conf_bus bus;
    char bus_name[CONF_BUS_NAME_MAX + 1];
    char socket[CONF_PATH_MAX + 1];
};

/*
 * Reads the string `text`, which may be NULL, to `conf`; fields that it does not name get their
 * defaults. Returns NULL, or a sentence that says what is wrong.
 */
const char *conf_parse(struct conf *conf, const char *text);
