/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake-logind.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define NAME      "org.freedesktop.login1"
#define PATH      "/org/freedesktop/login1"
#define INTERFACE "org.freedesktop.login1.Manager"

static const char interface_xml[] = "<node><interface name='" INTERFACE "'><method name='Inhibit'>"
                                    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
                                    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
                                    "<arg type='h' direction='out'/></method>"
                                    "<signal name='PrepareForSleep'><arg type='b'/></signal>"
                                    "</interface></node>";

struct fake_logind {
    GDBusConnection *connection;
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    GMutex lock;     /* of what follows */
    GArray *inhibit; /* int: our ends of the pipes that programs have */
    unsigned refused;
    bool sleeps;
};

/* Gives the program one end of a pipe, which it holds for as long as sleep is to wait. */
static void allow(struct fake_logind *logind, GDBusMethodInvocation *invocation)
{
    GUnixFDList *list = g_unix_fd_list_new();
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0 || g_unix_fd_list_append(list, ends[1], NULL) != 0)
        g_error("fake logind: no pipe");
    close(ends[1]);
    g_array_append_val(logind->inhibit, ends[0]);
    g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0),
                                                            list);
    g_object_unref(list);
}

static void called(GDBusConnection *connection, const char *sender, const char *path,
                   const char *interface, const char *method, GVariant *parameters,
                   GDBusMethodInvocation *invocation, gpointer data)
{
    struct fake_logind *logind = data;

    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    (void)method;
    (void)parameters;
    g_mutex_lock(&logind->lock);
    if (logind->sleeps) {
        logind->refused++;
        g_dbus_method_invocation_return_dbus_error(
            invocation, NAME ".OperationInProgress",
            "The operation inhibition has been requested for is already running");
    } else {
        allow(logind, invocation);
    }
    g_mutex_unlock(&logind->lock);
}

static bool take_name(struct fake_logind *logind)
{
    static const GDBusInterfaceVTable functions = {.method_call = called};
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(interface_xml, NULL);
    GVariant *reply;

    g_dbus_connection_register_object(logind->connection, PATH, node->interfaces[0], &functions,
                                      logind, NULL, NULL);
    g_dbus_node_info_unref(node);
    reply = g_dbus_connection_call_sync(logind->connection, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "RequestName", g_variant_new("(su)", NAME, 4), NULL,
                                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    if (!reply)
        return false;
    g_variant_unref(reply);
    return true;
}

static void *run(void *data)
{
    struct fake_logind *logind = data;

    g_main_context_push_thread_default(logind->context);
    g_main_loop_run(logind->loop);
    g_main_context_pop_thread_default(logind->context);
    return NULL;
}

struct fake_logind *fake_logind_new(const char *address)
{
    struct fake_logind *logind = g_new0(struct fake_logind, 1);
    bool named;

    g_mutex_init(&logind->lock);
    logind->inhibit = g_array_new(FALSE, FALSE, sizeof(int));
    logind->context = g_main_context_new();
    logind->loop = g_main_loop_new(logind->context, FALSE);
    /* Calls come to the context in which the object is made. */
    g_main_context_push_thread_default(logind->context);
    logind->connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    named = logind->connection && take_name(logind);
    g_main_context_pop_thread_default(logind->context);
    if (named) {
        logind->thread = g_thread_new("logind", run, logind);
        return logind;
    }
    fprintf(stderr, "fake logind: no name on the bus at %s\n", address);
    fake_logind_free(logind);
    return NULL;
}

void fake_logind_free(struct fake_logind *logind)
{
    if (!logind)
        return;
    if (logind->thread) {
        g_main_loop_quit(logind->loop);
        g_thread_join(logind->thread);
    }
    if (logind->connection) {
        g_dbus_connection_close_sync(logind->connection, NULL, NULL);
        g_object_unref(logind->connection);
    }
    for (unsigned i = 0; i < logind->inhibit->len; i++)
        close(g_array_index(logind->inhibit, int, i));
    g_array_free(logind->inhibit, TRUE);
    g_main_loop_unref(logind->loop);
    g_main_context_unref(logind->context);
    g_mutex_clear(&logind->lock);
    g_free(logind);
}

void fake_logind_announce(struct fake_logind *logind, bool sleep)
{
    g_mutex_lock(&logind->lock);
    logind->sleeps = sleep;
    g_mutex_unlock(&logind->lock);
    g_dbus_connection_emit_signal(logind->connection, NULL, PATH, INTERFACE, "PrepareForSleep",
                                  g_variant_new("(b)", sleep), NULL);
    g_dbus_connection_flush_sync(logind->connection, NULL, NULL);
}

unsigned fake_logind_delays(struct fake_logind *logind)
{
    unsigned delays = 0;

    g_mutex_lock(&logind->lock);
    for (unsigned i = 0; i < logind->inhibit->len; i++) {
        struct pollfd end = {.fd = g_array_index(logind->inhibit, int, i)};

        delays += poll(&end, 1, 0) == 0;
    }
    g_mutex_unlock(&logind->lock);
    return delays;
}

unsigned fake_logind_refused(struct fake_logind *logind)
{
    unsigned refused;

    g_mutex_lock(&logind->lock);
    refused = logind->refused;
    g_mutex_unlock(&logind->lock);
    return refused;
}
