/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/sleep.h"

#include "base/log.h"

#include <gio/gunixfdlist.h>
#include <stdbool.h>
#include <unistd.h>

#define SLEEP_LOGIND_NAME      "org.freedesktop.login1"
#define SLEEP_LOGIND_PATH      "/org/freedesktop/login1"
#define SLEEP_LOGIND_INTERFACE "org.freedesktop.login1.Manager"

struct sleep {
    struct sleep_events events;
    GDBusConnection *connection;
    GCancellable *cancellable;
    guint watch, subscription;
    int inhibitor; /* -1 for none */
    unsigned calls;
    bool near; /* sleep was announced */
    bool told; /* an event came */
};

static void sleep_release(struct sleep *sleep)
{
    if (sleep->inhibitor >= 0)
        close(sleep->inhibitor);
    sleep->inhibitor = -1;
}

static void sleep_prepare(struct sleep *sleep)
{
    if (sleep->near)
        return;
    sleep->near = sleep->told = true;
    sleep->events.prepare(sleep->events.data);
}

/* The machine is awake. */
static void sleep_wake(struct sleep *sleep)
{
    if (!sleep->near && sleep->told)
        return;
    sleep->near = false;
    sleep->told = true;
    sleep->events.woken(sleep->events.data);
}

/* logind refuses a delay while it prepares for sleep, which it announced before this daemon was
 * there. True when that is why. */
static bool sleep_is_prepared(struct sleep *sleep, const GError *error)
{
    g_autofree char *name = NULL;

    if (sleep->told || !g_dbus_error_is_remote_error(error))
        return false;
    name = g_dbus_error_get_remote_error(error);
    if (g_strcmp0(name, SLEEP_LOGIND_NAME ".OperationInProgress") != 0)
        return false;
    sleep_prepare(sleep);
    return true;
}

/* Without logind nobody announces sleep, and nothing is wrong. A logind that refuses the inhibitor,
 * in the words of polkit or of the bus that could not start polkit, leaves no time to save: that is
 * a warning, as a person can mend it. */
static void sleep_refused(GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
        || g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER)
        || g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
        || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED)) {
        log_debug("no sleep inhibitor: %s", error->message);
        return;
    }
    g_dbus_error_strip_remote_error(error);
    log_event(LOG_EVENT_SLEEP_UNSAVED, LOG_NOBODY,
              "systemd-logind does not let this user delay sleep (%s), so what clients have in "
              "the TPM may be lost then: install polkit, or allow the action "
              "org.freedesktop.login1.inhibit-delay-sleep in its rules",
              error->message);
}

static void sleep_inhibited(GObject *source, GAsyncResult *result, gpointer data)
{
    struct sleep *sleep = data;
    g_autoptr(GUnixFDList) list = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;

    sleep->calls--;
    reply = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), &list,
                                                            result, &error);
    if (!reply) {
        if (sleep_is_prepared(sleep, error))
            return;
        sleep_refused(error);
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && !sleep->told)
            sleep_wake(sleep);
        return;
    }
    if (!sleep->told)
        sleep_wake(sleep);
    sleep_release(sleep);
    if (list && g_unix_fd_list_get_length(list) > 0)
        sleep->inhibitor = g_unix_fd_list_get(list, 0, NULL);
    /* The inhibitor came too late for a sleep that is being prepared for. */
    if (sleep->near)
        sleep_release(sleep);
}

static void sleep_inhibit(struct sleep *sleep)
{
    sleep->calls++;
    g_dbus_connection_call_with_unix_fd_list(
        sleep->connection, SLEEP_LOGIND_NAME, SLEEP_LOGIND_PATH, SLEEP_LOGIND_INTERFACE, "Inhibit",
        g_variant_new("(ssss)", "sleep", "tabrmd", "TPM contexts are being saved", "delay"),
        G_VARIANT_TYPE("(h)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, sleep->cancellable,
        sleep_inhibited, sleep);
}

static void sleep_signal(GDBusConnection *connection, const char *sender, const char *path,
                         const char *interface, const char *signal, GVariant *parameters,
                         gpointer data)
{
    struct sleep *sleep = data;
    gboolean start;

    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    (void)signal;
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(b)")))
        return;
    g_variant_get(parameters, "(b)", &start);
    if (start) {
        sleep_prepare(sleep);
        return;
    }
    sleep_wake(sleep);
    sleep_inhibit(sleep);
}

static void sleep_logind_appeared(GDBusConnection *connection, const char *name, const char *owner,
                                  gpointer data)
{
    (void)connection;
    (void)name;
    (void)owner;
    sleep_inhibit(data);
}

/* Without logind nobody would announce the end of a sleep. */
static void sleep_logind_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    (void)connection;
    (void)name;
    sleep_release(data);
    sleep_wake(data);
}

struct sleep *sleep_new(GDBusConnection *connection, const struct sleep_events *events)
{
    struct sleep *sleep = g_new0(struct sleep, 1);

    sleep->events = *events;
    sleep->connection = g_object_ref(connection);
    sleep->cancellable = g_cancellable_new();
    sleep->inhibitor = -1;
    sleep->subscription = g_dbus_connection_signal_subscribe(
        connection, SLEEP_LOGIND_NAME, SLEEP_LOGIND_INTERFACE, "PrepareForSleep", SLEEP_LOGIND_PATH,
        NULL, G_DBUS_SIGNAL_FLAGS_NONE, sleep_signal, sleep, NULL);
    sleep->watch =
        g_bus_watch_name_on_connection(connection, SLEEP_LOGIND_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       sleep_logind_appeared, sleep_logind_vanished, sleep, NULL);
    return sleep;
}

void sleep_ready(struct sleep *sleep)
{
    if (sleep->near)
        sleep_release(sleep);
}

bool sleep_is_near(const struct sleep *sleep)
{
    return sleep->near;
}

void sleep_free(struct sleep *sleep)
{
    if (!sleep)
        return;
    g_cancellable_cancel(sleep->cancellable);
    while (sleep->calls > 0)
        g_main_context_iteration(NULL, TRUE);
    g_bus_unwatch_name(sleep->watch);
    g_dbus_connection_signal_unsubscribe(sleep->connection, sleep->subscription);
    sleep_release(sleep);
    g_object_unref(sleep->connection);
    g_object_unref(sleep->cancellable);
    g_free(sleep);
}
