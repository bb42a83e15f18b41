/* SPDX-License-Identifier: BSD-2-Clause */
/* The D-Bus object that tells how the daemon is, and steers it: dbus/manager.xml. On the bus, and
 * on connections that are peer to peer (bus/manager-peer.h). Main thread. */
#pragma once

#include "bus/bus.h"
#include "engine/engine.h"

#include <gio/gio.h>

#define MANAGER_FRONTEND_INTERFACE "org.tabrmd.Manager1"

struct manager_frontend;

/* Borrows `engine` and `bus`, which is NULL where there is none; copies `version`, and `tpm`, the
 * name of the TPM or NULL. */
struct manager_frontend *manager_frontend_new(struct engine *engine, const struct bus *bus,
                                              const char *version, const char *tpm);

/* NULL is fine. */
void manager_frontend_free(struct manager_frontend *frontend);

/* Refuses all calls from now on: the engine is about to be freed. */
void manager_frontend_close(struct manager_frontend *frontend);

/* Puts the object on a connection; takes it from one. */
void manager_frontend_export(struct manager_frontend *frontend, GDBusConnection *connection);
void manager_frontend_unexport(struct manager_frontend *frontend, GDBusConnection *connection);

/* Whether this is the token of a request of the front end's: its own, or a call of its interface.
 * All other tokens of the daemon's are invocations. */
bool manager_frontend_asked(const struct manager_frontend *frontend, void *token);

/* The engine's answer to such a request, brought to the main thread. */
void manager_frontend_answered(struct manager_frontend *frontend, void *token,
                               const struct engine_answer *answer);

/* What the engine is at; the TPM is asked what it is once it serves. */
void manager_frontend_state(struct manager_frontend *frontend, enum engine_state state);

/* Something is wrong: told to all who are connected, and remembered. Strings are copied. */
void manager_frontend_trouble(struct manager_frontend *frontend, const char *kind, const char *text,
                              const char *remedy);

/* The log's level may be another one. */
void manager_frontend_reloaded(struct manager_frontend *frontend);
