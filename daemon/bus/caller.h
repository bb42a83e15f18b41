/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a D-Bus message comes from, as the bus itself says. Main thread. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* `known` is false when the bus does not tell: the sender is gone, or the bus is. */
typedef void caller_known_fn(void *data, bool known, uint32_t uid);

/* Asks for the user of the peer with the unique name `sender`; calls `then` once, later. */
void caller_lookup(GDBusConnection *connection, const char *sender, GCancellable *cancellable,
                   caller_known_fn *then, void *data);
