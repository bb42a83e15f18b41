/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/manager-trace.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

/* The list with the reader's descriptor at an invocation, which closes it with the list. */
#define TRACE_DESCRIPTORS "tabrmd-trace-descriptors"

bool manager_trace_permits(const struct manager_caller *caller, const struct trace_filter *filter)
{
    if (caller->administrator)
        return true;
    return !filter->with_bytes
           && (filter->uid == TRACE_FILTER_ANY_USER || filter->uid == caller->uid);
}

int manager_trace_ask(struct engine *engine, const struct manager_caller *caller,
                      const struct trace_filter *filter, GDBusMethodInvocation *invocation)
{
    struct trace_filter own = *filter;
    int pair[2], error;

    own.viewer = caller->uid;
    own.all = caller->administrator;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    g_object_set_data_full(G_OBJECT(invocation), TRACE_DESCRIPTORS,
                           g_unix_fd_list_new_from_array(&pair[0], 1), g_object_unref);
    error = engine_open_trace(engine, &own, pair[1], invocation);
    if (error)
        close(pair[1]);
    return error;
}

bool manager_trace_asked(GDBusMethodInvocation *invocation)
{
    return g_object_get_data(G_OBJECT(invocation), TRACE_DESCRIPTORS) != NULL;
}

void manager_trace_answer(GDBusMethodInvocation *invocation)
{
    GUnixFDList *list = g_object_steal_data(G_OBJECT(invocation), TRACE_DESCRIPTORS);

    g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0),
                                                            list);
    g_object_unref(list);
}
