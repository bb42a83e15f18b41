/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake-bus.h"

#include <dlfcn.h>
#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "connect-dbus.h"
#include "fake-daemon.h"

/* Each %s is the directory of the bus. */
#define FAKE_BUS_CONFIG                                                                    \
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n" \
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"                  \
    "<busconfig><type>session</type><listen>unix:path=%s/bus</listen>\n"                   \
    "<servicedir>%s</servicedir><policy context=\"default\">\n"                            \
    "<allow eavesdrop=\"true\"/><allow send_destination=\"*\"/><allow own=\"*\"/>\n"       \
    "</policy></busconfig>\n"
static const char fake_bus_service[] =
    "[D-BUS Service]\nName=" FAKE_BUS_ACTIVATABLE "\nExec=/bin/false\n";

static void fake_bus_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void fake_bus_die_with_test(gpointer data)
{
    (void)data;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Starts dbus-daemon and waits until it has said its address, which it does once it listens. */
static void fake_bus_spawn(struct fake_bus *bus)
{
    char config[64], service[64], option[80], said[256], text[1024];
    char *argv[] = {(char *)(void *)"dbus-daemon", option, (char *)(void *)"--nofork",
                    (char *)(void *)"--print-address=1", NULL};
    GError *error = NULL;
    int out = -1;

    snprintf(config, sizeof(config), "%s/bus.conf", bus->directory);
    snprintf(service, sizeof(service), "%s/x.service", bus->directory);
    snprintf(option, sizeof(option), "--config-file=%s", config);
    snprintf(bus->address, sizeof(bus->address), "unix:path=%s/bus", bus->directory);
    snprintf(text, sizeof(text), FAKE_BUS_CONFIG, bus->directory, bus->directory);
    fake_bus_write(config, text);
    fake_bus_write(service, fake_bus_service);
    if (!g_spawn_async_with_pipes(
            NULL, argv, NULL,
            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
            fake_bus_die_with_test, NULL, &bus->daemon, NULL, &out, NULL, &error))
        fail_msg("dbus-daemon: %s", error->message);
    assert_true(read(out, said, sizeof(said)) > 0);
    close(out);
}

/* The reply to CreateConnection as the test wants it; the descriptor goes with the message and is
 * named by no argument. */
static GDBusMessage *fake_bus_create(struct fake_bus *bus, GDBusMessage *call)
{
    GDBusMessage *reply = g_dbus_message_new_method_reply(call);
    GUnixFDList *fds = g_unix_fd_list_new();
    int ends[2];

    g_strlcpy(bus->creator, g_dbus_message_get_sender(call), sizeof(bus->creator));
    g_dbus_message_set_body(reply, bus->reply == FAKE_BUS_WRONG_TYPE
                                       ? g_variant_new("(s)", "x")
                                       : g_variant_new("(t)", FAKE_BUS_ID));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0) {
        if (bus->reply != FAKE_BUS_NO_FD)
            g_unix_fd_list_append(fds, ends[1], NULL);
        if (bus->reply == FAKE_BUS_TWO_FDS)
            g_unix_fd_list_append(fds, ends[1], NULL);
        close(ends[1]);
        if (bus->server >= 0)
            close(bus->server);
        bus->server = ends[0];
    }
    if (bus->reply != FAKE_BUS_NO_FD)
        g_dbus_message_set_unix_fd_list(reply, fds);
    g_object_unref(fds);
    return reply;
}

static GDBusMessage *fake_bus_other(struct fake_bus *bus, GDBusMessage *call)
{
    GDBusMessage *reply = g_dbus_message_new_method_reply(call);
    GVariant *body = g_dbus_message_get_body(call);
    guchar locality = 0;
    guint64 id = 0;

    g_strlcpy(bus->caller, g_dbus_message_get_sender(call), sizeof(bus->caller));
    bus->locality = -1;
    if (strcmp(g_dbus_message_get_member(call), "SetLocality") == 0) {
        g_variant_get(body, "(ty)", &id, &locality);
        bus->locality = locality;
    } else {
        g_variant_get(body, "(t)", &id);
    }
    bus->id = id;
    g_dbus_message_set_body(reply, g_variant_new("(u)", bus->verdict));
    return reply;
}

/* Runs in GLib's thread for each message. */
static GDBusMessage *fake_bus_filter(GDBusConnection *connection, GDBusMessage *message,
                                     gboolean incoming, gpointer data)
{
    struct fake_bus *bus = data;
    GDBusMessage *reply = NULL;

    if (!incoming || g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL
        || g_strcmp0(g_dbus_message_get_interface(message), CONNECT_DBUS_INTERFACE) != 0
        || g_strcmp0(g_dbus_message_get_path(message), CONNECT_DBUS_PATH) != 0)
        return message;
    g_mutex_lock(&bus->lock);
    bus->calls++;
    if (bus->reply == FAKE_BUS_ERROR || bus->calls <= bus->errors)
        reply = g_dbus_message_new_method_error_literal(message, bus->error, "as the test wants");
    else if (bus->reply != FAKE_BUS_SILENT)
        reply = strcmp(g_dbus_message_get_member(message), "CreateConnection") == 0
                    ? fake_bus_create(bus, message)
                    : fake_bus_other(bus, message);
    g_mutex_unlock(&bus->lock);
    if (reply != NULL) {
        g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
        g_object_unref(reply);
    }
    g_object_unref(message);
    return NULL;
}

static TSS2_TCTI_INIT_FUNC fake_bus_load(void)
{
    void *library = dlopen(TEST_TCTI_LIBRARY, RTLD_NOW | RTLD_LOCAL), *symbol;
    TSS2_TCTI_INIT_FUNC init;

    if (library == NULL)
        fail_msg("%s", dlerror());
    symbol = dlsym(library, "Tss2_Tcti_Tabrmd_Init");
    assert_non_null(symbol);
    memcpy(&init, &symbol, sizeof(init));
    return init;
}

void fake_bus_join(struct fake_bus *bus)
{
    GError *error = NULL;
    GVariant *owned;
    guint32 code;

    bus->service =
        g_dbus_connection_new_for_address_sync(bus->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                   | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    if (bus->service == NULL)
        fail_msg("%s: %s", bus->address, error->message);
    g_dbus_connection_add_filter(bus->service, fake_bus_filter, bus, NULL);
    owned = g_dbus_connection_call_sync(
        bus->service, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", FAKE_BUS_NAME, 4u), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, 20000, NULL, &error);
    if (owned == NULL)
        fail_msg("RequestName: %s", error->message);
    g_variant_get(owned, "(u)", &code);
    assert_int_equal(code, 1);
    g_variant_unref(owned);
}

void fake_bus_begin_daemon(struct fake_bus *bus)
{
    fake_bus_spawn(bus);
}

void fake_bus_start(struct fake_bus *bus)
{
    memset(bus, 0, sizeof(*bus));
    bus->server = -1;
    bus->init = fake_bus_load();
    g_mutex_init(&bus->lock);
    strcpy(bus->directory, "/tmp/tcti-bus.XXXXXX");
    assert_non_null(mkdtemp(bus->directory));
    fake_bus_spawn(bus);
    setenv("DBUS_SESSION_BUS_ADDRESS", bus->address, 1);
    fake_bus_join(bus);
}

void fake_bus_leave(struct fake_bus *bus)
{
    if (bus->service == NULL)
        return;
    g_dbus_connection_close_sync(bus->service, NULL, NULL);
    g_clear_object(&bus->service);
}

void fake_bus_end_daemon(struct fake_bus *bus)
{
    if (bus->daemon == 0)
        return;
    kill(bus->daemon, SIGKILL);
    waitpid(bus->daemon, NULL, 0);
    g_spawn_close_pid(bus->daemon);
    bus->daemon = 0;
}

void fake_bus_stop(struct fake_bus *bus)
{
    static const char *const files[] = {"bus", "bus.conf", "x.service"};
    char path[64];
    size_t i;

    fake_bus_leave(bus);
    fake_bus_end_daemon(bus);
    if (bus->server >= 0)
        close(bus->server);
    for (i = 0; i < G_N_ELEMENTS(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", bus->directory, files[i]);
        unlink(path);
    }
    rmdir(bus->directory);
    g_mutex_clear(&bus->lock);
}

void fake_bus_answer(struct fake_bus *bus, enum fake_bus_reply reply, const char *error,
                     uint32_t verdict)
{
    g_mutex_lock(&bus->lock);
    bus->reply = reply;
    bus->error = error;
    bus->verdict = verdict;
    bus->errors = 0;
    bus->calls = 0;
    g_mutex_unlock(&bus->lock);
}

void fake_bus_fail_first(struct fake_bus *bus, unsigned errors, const char *error)
{
    g_mutex_lock(&bus->lock);
    bus->reply = FAKE_BUS_GOOD;
    bus->error = error;
    bus->verdict = 0;
    bus->errors = errors;
    bus->calls = 0;
    g_mutex_unlock(&bus->lock);
}

unsigned fake_bus_count_calls(struct fake_bus *bus)
{
    unsigned calls;

    g_mutex_lock(&bus->lock);
    calls = bus->calls;
    g_mutex_unlock(&bus->lock);
    return calls;
}

void fake_bus_await_calls(struct fake_bus *bus, unsigned calls)
{
    unsigned tries = 0;

    while (fake_bus_count_calls(bus) < calls) {
        assert_true(++tries < FAKE_WAIT_MS);
        g_usleep(1000);
    }
}

int fake_bus_take_server(struct fake_bus *bus)
{
    int server;

    g_mutex_lock(&bus->lock);
    server = bus->server;
    bus->server = -1;
    g_mutex_unlock(&bus->lock);
    return server;
}
