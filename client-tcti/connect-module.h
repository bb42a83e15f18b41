/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading the D-Bus module into the process, where it then stays. */
#pragma once

#include "connect-dbus.h"

/* Returns the module, or NULL with a sentence in the CONNECT_DBUS_WHY bytes at `why`. */
const struct connect_dbus *connect_module_load(char *why);
