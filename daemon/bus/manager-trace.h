/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenTrace of the manager interface: a trace is asked for, and its descriptor handed out. Main
 * thread. */
#pragma once

#include "bus/manager-rights.h"
#include "engine/engine.h"

#include <gio/gio.h>

/* Whether the caller may have that trace. */
bool manager_trace_permits(const struct manager_caller *caller, const struct trace_filter *filter);

/* Asks the engine, as the caller. 0, or a negative errno: then the invocation is still to be
 * answered. */
int manager_trace_ask(struct engine *engine, const struct manager_caller *caller,
                      const struct trace_filter *filter, GDBusMethodInvocation *invocation);

/* Whether it is the invocation of a trace that was asked for; answers it, when the engine has
 * opened the trace. */
bool manager_trace_asked(GDBusMethodInvocation *invocation);
void manager_trace_answer(GDBusMethodInvocation *invocation);
