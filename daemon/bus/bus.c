/* SPDX-License-Identifier: BSD-2-Clause */
#include "bus/bus.h"

#include "base/log.h"
#include "bus/proxy.h"

#include <stdlib.h>

/* Seconds between attempts to come back to a bus that went away. */
#define BUS_RETRY_FIRST 1
#define BUS_RETRY_LONG  30

/* How long a bus that takes nothing is waited for at the end, in milliseconds. */
#define BUS_END_MS 2000

/* How often it is looked whether all calls are answered, in milliseconds. */
#define BUS_DISOWN_LOOK_MS 2

/* Of org.freedesktop.DBus.RequestName, in the D-Bus Specification. */
#define BUS_NAME_FLAG_DO_NOT_QUEUE 4
#define BUS_NAME_PRIMARY_OWNER     1
#define BUS_NAME_ALREADY_OWNER     4

struct bus {
    struct bus_events events;
    char *name;
    bool session;
    bool own;            /* the name is wanted */
    bool owned;          /* it was had once */
    bool needed;         /* want of either is a failure before that */
    struct proxy *proxy; /* between the bus and GDBus; NULL when there is no connection */
    GDBusConnection *connection;
    GCancellable *cancellable;
    gulong closed_handler;
    guint retry_source;
    unsigned retry_wait;
    bool disowned;        /* the bus has taken the name back */
    guint disown_source;  /* looks for the last answer */
    int64_t disown_until; /* of g_get_monotonic_time() */
    unsigned calls;       /* under way */
};

static void bus_connect(struct bus *bus);

static const char *bus_kind(const struct bus *bus)
{
    return bus->session ? "session" : "system";
}

static void bus_disconnect(struct bus *bus)
{
    if (!bus->connection)
        return;
    g_signal_handler_disconnect(bus->connection, bus->closed_handler);
    g_clear_object(&bus->connection);
    g_clear_pointer(&bus->proxy, proxy_free);
}

static gboolean bus_retry(gpointer data)
{
    struct bus *bus = data;

    bus->retry_source = 0;
    if (!bus->connection)
        bus_connect(bus);
    else if (bus->own)
        bus_own(bus);
    return G_SOURCE_REMOVE;
}

/* A daemon that never had the name fails, unless it has clients all the same; one that had it once
 * tries again. */
static void bus_trouble(struct bus *bus, enum bus_fault fault, const char *text)
{
    if (bus->needed && !bus->owned) {
        bus->events.failed(bus->events.data, fault, text);
        return;
    }
    if (bus->retry_wait == BUS_RETRY_FIRST)
        log_event(LOG_EVENT_BUS_LOST, LOG_NOBODY, "%s; trying again until it works", text);
    if (bus->retry_source == 0)
        bus->retry_source = g_timeout_add_seconds(bus->retry_wait, bus_retry, bus);
    bus->retry_wait = MIN(bus->retry_wait * 2, BUS_RETRY_LONG);
    bus->events.missed(bus->events.data);
}

static void bus_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
    struct bus *bus = data;
    g_autofree char *text = NULL;

    (void)connection;
    (void)vanished;
    text = g_strdup_printf("the %s bus closed the connection (%s)", bus_kind(bus),
                           error ? error->message : "end of stream");
    bus_disconnect(bus);
    bus->events.closed(bus->events.data);
    bus_trouble(bus, BUS_FAULT_NONE_THERE, text);
}

static void bus_not_there(struct bus *bus, const GError *error)
{
    g_autofree char *text = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    text = g_strdup_printf("no %s bus (%s): start %s", bus_kind(bus), error->message,
                           bus->session ? "one with dbus-run-session, or set "
                                          "DBUS_SESSION_BUS_ADDRESS to the right address"
                                        : "the service dbus, or use --session");
    bus_trouble(bus, BUS_FAULT_NONE_THERE, text);
}

static void bus_identified(GObject *source, GAsyncResult *result, gpointer data)
{
    struct bus *bus = data;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    const char *id = NULL;

    bus->calls--;
    if (G_DBUS_CONNECTION(source) != bus->connection
        || g_cancellable_is_cancelled(bus->cancellable))
        return;
    if (reply)
        g_variant_get(reply, "(&s)", &id);
    bus->events.identified(bus->events.data, id);
}

/* Calls a method of the bus's own. */
static void bus_ask(struct bus *bus, const char *method, GVariant *arguments, const char *answer,
                    GAsyncReadyCallback done)
{
    bus->calls++;
    g_dbus_connection_call(bus->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", method, arguments, G_VARIANT_TYPE(answer),
                           G_DBUS_CALL_FLAGS_NONE, -1, bus->cancellable, done, bus);
}

static void bus_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    struct bus *bus = data;
    g_autoptr(GError) error = NULL;

    (void)source;
    bus->calls--;
    bus->connection = g_dbus_connection_new_finish(result, &error);
    if (!bus->connection) {
        g_clear_pointer(&bus->proxy, proxy_free);
        bus_not_there(bus, error);
        return;
    }
    bus->closed_handler = g_signal_connect(bus->connection, "closed", G_CALLBACK(bus_closed), bus);
    bus_ask(bus, "GetId", NULL, "(s)", bus_identified);
    bus->events.connected(bus->events.data, bus->connection);
    if (bus->own)
        bus_own(bus);
}

static void bus_left(void *data, const char *name)
{
    struct bus *bus = data;

    bus->events.left(bus->events.data, name);
}

/* The bus is there, and its socket is the proxy's. */
static void bus_reached(GObject *source, GAsyncResult *result, gpointer data)
{
    struct bus *bus = data;
    g_autoptr(GIOStream) stream = NULL, inner = NULL;
    g_autoptr(GError) error = NULL;

    (void)source;
    bus->calls--;
    stream = g_dbus_address_get_stream_finish(result, NULL, &error);
    if (stream)
        bus->proxy = proxy_new(stream, bus_left, bus, &inner, &error);
    if (!bus->proxy) {
        bus_not_there(bus, error);
        return;
    }
    bus->calls++;
    g_dbus_connection_new(inner, NULL,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                              | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                          NULL, bus->cancellable, bus_connected, bus);
}

static void bus_connect(struct bus *bus)
{
    g_autofree char *address = NULL;
    g_autoptr(GError) error = NULL;

    /* No search for a session bus that somebody may have started elsewhere: that could start one.
     */
    if (bus->session)
        address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
    else
        address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    if (!address) {
        bus_trouble(bus, BUS_FAULT_NONE_THERE,
                    bus->session ? "no session bus: DBUS_SESSION_BUS_ADDRESS is not set; start one "
                                   "with dbus-run-session, or leave out --session"
                                 : "no system bus: its address is not known; check "
                                   "DBUS_SYSTEM_BUS_ADDRESS");
        return;
    }
    bus->calls++;
    g_dbus_address_get_stream(address, bus->cancellable, bus_reached, bus);
}

static gboolean bus_first_connect(gpointer data)
{
    struct bus *bus = data;

    bus->retry_source = 0;
    bus_connect(bus);
    return G_SOURCE_REMOVE;
}

struct bus *bus_new(bool session, const char *name, bool needed, const struct bus_events *events)
{
    struct bus *bus = g_new0(struct bus, 1);

    bus->events = *events;
    bus->name = g_strdup(name);
    bus->session = session;
    bus->needed = needed;
    bus->cancellable = g_cancellable_new();
    bus->retry_wait = BUS_RETRY_FIRST;
    bus->retry_source = g_idle_add(bus_first_connect, bus);
    return bus;
}

static void bus_named(struct bus *bus)
{
    bus->retry_wait = BUS_RETRY_FIRST;
    if (bus->owned)
        log_event(LOG_EVENT_BUS_BACK, LOG_NOBODY, "back on the %s bus as %s", bus_kind(bus),
                  bus->name);
    else
        log_info("serving as %s on the %s bus", bus->name, bus_kind(bus));
    bus->owned = true;
    bus->events.owned(bus->events.data);
}

static void bus_name_refused(struct bus *bus, const GError *error)
{
    g_autofree char *text = NULL;
    enum bus_fault fault = BUS_FAULT_TAKEN;

    if (!error) {
        text = g_strdup_printf("the name %s on the %s bus is taken by another program: stop it "
                               "(tpm2-abrmd or another tabrmd), or choose a name with --dbus-name",
                               bus->name, bus_kind(bus));
    } else if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)) {
        fault = BUS_FAULT_FORBIDDEN;
        text = g_strdup_printf("the policy of the %s bus does not let this user own the name %s: "
                               "run tabrmd as user tss, or install its policy file for D-Bus",
                               bus_kind(bus), bus->name);
    } else {
        fault = BUS_FAULT_NONE_THERE;
        text = g_strdup_printf("the %s bus does not give the name %s (%s): check the bus",
                               bus_kind(bus), bus->name, error->message);
    }
    bus_trouble(bus, fault, text);
}

static void bus_own_done(GObject *source, GAsyncResult *result, gpointer data)
{
    struct bus *bus = data;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;
    guint32 code = 0;

    bus->calls--;
    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    /* A connection that closed meanwhile was dealt with. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
        || G_DBUS_CONNECTION(source) != bus->connection)
        return;
    if (reply)
        g_variant_get(reply, "(u)", &code);
    if (code == BUS_NAME_PRIMARY_OWNER || code == BUS_NAME_ALREADY_OWNER)
        bus_named(bus);
    else
        bus_name_refused(bus, error);
}

void bus_own(struct bus *bus)
{
    bus->own = true;
    if (!bus->connection)
        return;
    bus_ask(bus, "RequestName", g_variant_new("(su)", bus->name, BUS_NAME_FLAG_DO_NOT_QUEUE), "(u)",
            bus_own_done);
}

static gboolean bus_disown_step(gpointer data)
{
    struct bus *bus = data;

    if (bus->connection && (!bus->disowned || proxy_pending(bus->proxy) > 0)
        && g_get_monotonic_time() < bus->disown_until)
        return G_SOURCE_CONTINUE;
    bus->disown_source = 0;
    bus->events.disowned(bus->events.data);
    return G_SOURCE_REMOVE;
}

/* What was called before this answer has come before it. */
static void bus_disown_done(GObject *source, GAsyncResult *result, gpointer data)
{
    struct bus *bus = data;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);

    (void)reply;
    bus->calls--;
    bus->disowned = true;
}

void bus_disown(struct bus *bus)
{
    bus->own = false;
    if (bus->connection)
        bus_ask(bus, "ReleaseName", g_variant_new("(s)", bus->name), "(u)", bus_disown_done);
    bus->disown_until = g_get_monotonic_time() + BUS_DISOWN_MS * 1000;
    bus->disown_source = g_timeout_add(BUS_DISOWN_LOOK_MS, bus_disown_step, bus);
}

bool bus_caller(const struct bus *bus, GDBusMethodInvocation *invocation, uint32_t *uid,
                GBytes **groups)
{
    GDBusMessage *call = g_dbus_method_invocation_get_message(invocation);

    return bus->proxy && g_dbus_method_invocation_get_connection(invocation) == bus->connection
           && proxy_user(bus->proxy, g_dbus_method_invocation_get_sender(invocation),
                         g_dbus_message_get_serial(call), uid, groups);
}

uint32_t bus_caller_pid(const struct bus *bus, GDBusMethodInvocation *invocation)
{
    GDBusMessage *call = g_dbus_method_invocation_get_message(invocation);

    if (!bus->proxy || g_dbus_method_invocation_get_connection(invocation) != bus->connection)
        return 0;
    return proxy_pid(bus->proxy, g_dbus_method_invocation_get_sender(invocation),
                     g_dbus_message_get_serial(call));
}

static void bus_flushed(GObject *source, GAsyncResult *result, gpointer data)
{
    bool *flushed = data;

    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, NULL);
    *flushed = true;
}

static gboolean bus_ends_late(gpointer data)
{
    proxy_close(data);
    return G_SOURCE_CONTINUE;
}

/* Brings the last answers to the bus, which go through the main loop. */
static void bus_flush(struct bus *bus)
{
    guint timer = g_timeout_add(BUS_END_MS, bus_ends_late, bus->proxy);
    bool flushed = false;

    g_dbus_connection_flush(bus->connection, NULL, bus_flushed, &flushed);
    while (!flushed)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    proxy_drain(bus->proxy, BUS_END_MS);
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    g_cancellable_cancel(bus->cancellable);
    while (bus->calls > 0)
        g_main_context_iteration(NULL, TRUE);
    if (bus->retry_source)
        g_source_remove(bus->retry_source);
    if (bus->disown_source)
        g_source_remove(bus->disown_source);
    if (bus->connection) {
        g_signal_handler_disconnect(bus->connection, bus->closed_handler);
        bus_flush(bus);
        g_dbus_connection_close_sync(bus->connection, NULL, NULL);
        g_object_unref(bus->connection);
    }
    proxy_free(bus->proxy);
    g_object_unref(bus->cancellable);
    g_free(bus->name);
    g_free(bus);
}
