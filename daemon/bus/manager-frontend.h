/* SPDX-License-Identifier: BSD-2-Clause */
/* The D-Bus object that tells how the daemon is. Main thread. */
#pragma once

#include "engine/engine.h"

#include <gio/gio.h>

struct manager_frontend;

/* Borrows `engine`; copies `version`. */
struct manager_frontend *manager_frontend_new(struct engine *engine, const char *version);

/* NULL is fine. */
void manager_frontend_free(struct manager_frontend *frontend);

/* Puts the object on a connection to the bus, in place of the one before. */
void manager_frontend_export(struct manager_frontend *frontend, GDBusConnection *connection);

/* The engine's answer to a query, brought to the main thread. */
void manager_frontend_answered(GDBusMethodInvocation *invocation,
                               const struct engine_answer *answer);
