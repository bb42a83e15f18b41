/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of the manager interface, on the bus (`name` is the daemon's) or on its own socket (NULL).
 * What does not go as it should fails the test. */
#pragma once

#include "suite.h"

#define MANAGER_CALLS_NAME "com.intel.tss2.Tabrmd"

/* Path of the socket, to be freed with g_free(); a connection to it, or NULL. */
char *manager_calls_socket(const struct world *world);
GDBusConnection *manager_calls_connect(const struct world *world);

/* The only result of a method without arguments, to be unreferenced; `type` is that of the answer.
 */
GVariant *manager_calls_get(GDBusConnection *connection, const char *name, const char *method,
                            const char *type);

/* Calls a method, whose arguments are consumed, and expects this error, NULL for none. */
void manager_calls_expect_error(GDBusConnection *connection, const char *name, const char *method,
                                GVariant *arguments, const char *error);

/* What stands behind a key: a number or a truth value; a text. */
uint64_t manager_calls_number(GVariant *dictionary, const char *key);
void manager_calls_expect_text(GVariant *dictionary, const char *key, const char *text);

/* A property that is a text; to be freed with g_free(). */
char *manager_calls_text(GDBusConnection *connection, const char *name, const char *property);

/* Signals of that name from now on. */
struct manager_signal;
struct manager_signal *manager_calls_await_signal(GDBusConnection *connection, const char *member);

/* True when one comes whose arguments, as text, have `word` in them. */
bool manager_calls_signal_says(struct manager_signal *signal, const char *word);
void manager_calls_forget_signal(struct manager_signal *signal);
