/* SPDX-License-Identifier: BSD-2-Clause */
/* The D-Bus object that tells how the daemon is. Main thread. */
#pragma once

#include "bus/bus.h"
#include "engine/engine.h"

#include <gio/gio.h>

struct manager_frontend;

/* Borrows `engine` and `bus`; copies `version`. */
struct manager_frontend *manager_frontend_new(struct engine *engine, const struct bus *bus,
                                              const char *version);

/* NULL is fine. */
void manager_frontend_free(struct manager_frontend *frontend);

/* Puts the object on a connection to the bus, in place of the one before. */
void manager_frontend_export(struct manager_frontend *frontend, GDBusConnection *connection);

/* The engine's answer to a query, brought to the main thread. Root, and the user that the daemon
 * runs as, see the counts; others see them rounded, as they are about what all users do. */
void manager_frontend_answered(const struct manager_frontend *frontend,
                               GDBusMethodInvocation *invocation,
                               const struct engine_answer *answer);
