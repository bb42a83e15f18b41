/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The D-Bus object that programs get their connection to the TPM from. It makes a socket pair,
 * hands one end to the engine and the other to the caller, and remembers who the caller was: only
 * that peer may cancel the connection's command or set its locality. A newcomer who cannot be
 * served gets a D-Bus error with the reason; one who has many connections that it may not have
 * taken yet (handouts.h) waits a while first.
 *
 * A connection outlives the bus that it was made on, and the daemon that made it. Where its creator
 * was on another bus, all who know its id, which only the creator was told, and are its user may do
 * that. Main thread.
 */
#pragma once

#include "bus/bus.h"
#include "engine/engine.h"

#include <gio/gio.h>

struct tcti_frontend;

/* Serves out of `engine`; `bus` tells who calls. Both are borrowed. */
struct tcti_frontend *tcti_frontend_new(struct engine *engine, const struct bus *bus);

/* NULL is fine. */
void tcti_frontend_free(struct tcti_frontend *frontend);

/* Puts the object on a connection to the bus, in place of the one before. */
void tcti_frontend_export(struct tcti_frontend *frontend, GDBusConnection *connection);

/* The bus that there is a connection to now calls itself `id`, NULL when it does not tell. Creators
 * of former connections are who they were on the same bus only. */
void tcti_frontend_bus_identified(struct tcti_frontend *frontend, const char *id);

/* The connection to the bus is dead: unique names on the next one mean other peers. */
void tcti_frontend_bus_closed(struct tcti_frontend *frontend);

/* Refuses newcomers from now on: the daemon is about to end. */
void tcti_frontend_close(struct tcti_frontend *frontend);

/* Refuses all calls from now on: the engine is about to be freed. */
void tcti_frontend_end(struct tcti_frontend *frontend);

/* The unique name `name` left the bus. */
void tcti_frontend_caller_left(struct tcti_frontend *frontend, const char *name);

/* The engine's events, brought to the main thread; also after tcti_frontend_end(). Nothing happens
 * where there is no front end (NULL). */
void tcti_frontend_restored(struct tcti_frontend *frontend, const struct engine_restored *restored);
void tcti_frontend_client_heard(struct tcti_frontend *frontend, uint64_t id);
void tcti_frontend_client_gone(struct tcti_frontend *frontend, uint64_t id);
void tcti_frontend_answered(struct tcti_frontend *frontend, GDBusMethodInvocation *invocation,
                            const struct engine_answer *answer);
