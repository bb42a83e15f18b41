/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that has the manager interface alone, and answers what it is told to.
 *
 *   manager-fake XML PATH|bus CONNECTIONS [FLAW]
 *
 * XML describes the interface. It serves at the Unix socket PATH, which is there as soon as
 * somebody can connect, or on the session bus as com.intel.tss2.Tabrmd, until SIGTERM. FLAW is
 * something that is not as in a healthy daemon:
 *
 *   denied    others than root are told their own
 *   steering  nobody may steer it
 *   old       it has no method but GetStatus
 *   type      a number of ListConnections is a text
 *   buckets   a histogram has one too few
 *   locked    the TPM is locked out, and there was trouble
 *   lost      the TPM is lost
 *   busy      the lockout is not told now
 *   silent    it takes calls and never answers
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Microseconds since the start, and since the trouble. */
#define FAKE_AGE         (G_GINT64_CONSTANT(3700) * G_USEC_PER_SEC)
#define FAKE_TROUBLE_AGE (G_GINT64_CONSTANT(200) * G_USEC_PER_SEC)

static unsigned fake_connections;
static const char *fake_flaw = "";
static GDBusNodeInfo *fake_node;

static bool fake_has(const char *flaw)
{
    return strcmp(fake_flaw, flaw) == 0;
}

static GVariant *fake_parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(NULL, text, NULL, NULL, &error);

    if (!value) {
        fprintf(stderr, "%s: %s\n", text, error->message);
        abort();
    }
    return value;
}

static GVariant *fake_tuple(const char *text)
{
    GVariant *value = fake_parse(text);

    return g_variant_new_tuple(&value, 1);
}

static GVariant *fake_finish(GString *text)
{
    GVariant *value = fake_tuple(text->str);

    g_string_free(text, TRUE);
    return value;
}

static GVariant *fake_status(void)
{
    GString *text =
        g_string_new("@a{sv} {'TpmPresent': <true>, 'ClientCommands': <uint64 123456>, "
                     "'ChipCommands': <uint64 100000>, 'ContextCommands': <uint64 2000>, "
                     "'RefusedCommands': <uint64 12>, 'ChipTime': <uint64 400000000>");

    g_string_append_printf(
        text, ", 'Connections': <uint32 %u>, 'StartTime': <uint64 %" G_GINT64_FORMAT ">",
        fake_connections, g_get_real_time() - FAKE_AGE);
    if (fake_has("locked"))
        g_string_append_printf(text,
                               ", 'TroubleKind': <'lockout'>, 'TroubleText': <'the TPM is locked "
                               "out after 32 wrong passwords'>, 'TroubleRemedy': <'wait, or "
                               "tpm2_dictionarylockout --clear-lockout'>, 'TroubleTime': <uint64 "
                               "%" G_GINT64_FORMAT ">",
                               g_get_real_time() - FAKE_TROUBLE_AGE);
    g_string_append(text, "}");
    return fake_finish(text);
}

/* The second program's name is what no terminal should be sent. */
static GVariant *fake_list(void)
{
    GString *text = g_string_new("@aa{sv} [");

    for (unsigned i = 0; i < fake_connections; i++) {
        g_string_append_printf(text, "%s{'Number': <%s%u%s>", i ? ", " : "",
                               fake_has("type") ? "'" : "uint64 ", i + 1,
                               fake_has("type") ? "'" : "");
        g_string_append_printf(
            text,
            ", 'Pid': <uint32 %u>, 'Uid': <uint32 %u>, 'Program': <'%s'>, "
            "'Origin': <'%s'>, 'Age': <uint64 %u>, 'Objects': <uint32 %u>, 'Sessions': <uint32 "
            "%u>, "
            "'Commands': <uint64 %u>, 'ChipTime': <uint64 %u>, 'State': <'%s'>, 'Command': <uint32 "
            "%u>, 'Locality': <byte 0x00>, 'Policy': <'standard'>}",
            1000 + i, i % 3 ? 0 : 4242, i == 1 ? "evil\\u001b[31m\\u009b" : "tpm2_sign",
            i % 2 ? "bus" : "socket", 61000000 * (i + 1) % 4000000000U, i % 5, i % 3, i * 10,
            i * 100000,
            i == 0  ? "running"
            : i % 2 ? "idle"
                    : "waiting",
            i == 0 ? 0x15d : 0);
    }
    g_string_append(text, "]");
    return fake_finish(text);
}

static GVariant *fake_statistics(void)
{
    GString *text = g_string_new(
        "@a{sv} {'ClientCommands': <{uint32 0x15d: uint64 1000, 0x17b: 500, 0x20000001: 3, 0: 2}>, "
        "'ChipCommands': <{'client': uint64 1400, 'save': 30, 'load': 40, 'flush': 20, 'question': "
        "6}>, 'Swaps': <{'room': uint64 30, 'clean-up': 9, 'gap': 0}>, 'Refusals': <{'policy': "
        "uint64 7, 'a\"b\\\\': 1}>, 'AnswersFromCache': <uint64 75>, 'AnswersFromManager': <uint64 "
        "30>, "
        "'Failures': <uint64 12>, 'QueueTimeSum': <uint64 1234567>, 'ChipTimeSum': <uint64 "
        "987654321>");

    for (int i = 0; i < 2; i++) {
        unsigned buckets = fake_has("buckets") ? 31 : 32;

        g_string_append_printf(text, ", '%s': <[uint64 0", i ? "ChipTimes" : "QueueTimes");
        for (unsigned bucket = 1; bucket < buckets; bucket++)
            g_string_append_printf(text, ", %u", bucket > 8 && bucket < 18 ? 170 : 0);
        g_string_append(text, "]>");
    }
    g_string_append(text, "}");
    return fake_finish(text);
}

static void fake_answer_list(GDBusMethodInvocation *invocation, const char *method)
{
    GVariant *value = NULL;

    if (strcmp(method, "GetStatus") == 0)
        value = fake_status();
    else if (strcmp(method, "ListConnections") == 0)
        value = fake_list();
    else if (strcmp(method, "GetStatistics") == 0)
        value = fake_statistics();
    else if (strcmp(method, "ListUsers") == 0)
        value = fake_tuple(
            "[{'Account': <uint32 0>, 'Uid': <uint32 0>, 'Connections': <uint32 2>, 'Objects': "
            "<uint32 3>, 'Sessions': <uint32 1>, 'Commands': <uint64 1000>, 'ChipTime': <uint64 "
            "300000000>, 'QueueTime': <uint64 5000000>, 'Refusals': <uint64 0>, 'MaxSessions': "
            "<uint32 48>}, {'Account': <uint32 0xffffffff>, 'Commands': <uint64 500>, 'ChipTime': "
            "<uint64 700000000>, 'MaxConnections': <uint32 256>}]");
    else if (strcmp(method, "GetSlots") == 0)
        value = fake_tuple("[{'Kind': <'object'>, 'Handle': <uint32 0x80000000>, 'Number': <uint64 "
                           "1>, 'Account': <uint32 0>}, {'Kind': <'session'>, 'Handle': <uint32 "
                           "0x03000000>, 'Number': <uint64 0>}]");
    else
        value = g_variant_new_parsed(
            "({'Counter': <uint32 5>, 'MaxTries': <uint32 32>, 'RecoveryTime': <uint32 7200>, "
            "'LockoutRecovery': <uint32 86400>, 'InLockout': <%b>},)",
            fake_has("locked"));
    g_dbus_method_invocation_return_value(invocation, value);
}

static void fake_steer(GDBusMethodInvocation *invocation, const char *method, GVariant *parameters)
{
    guint64 number = 1;
    const char *level = "info";

    if (strcmp(method, "Disconnect") == 0)
        g_variant_get(parameters, "(t)", &number);
    if (strcmp(method, "SetLogLevel") == 0)
        g_variant_get(parameters, "(&s)", &level);
    if (fake_has("steering"))
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.DBus.Error.AccessDenied", "that is for root alone");
    else if (fake_has("lost"))
        g_dbus_method_invocation_return_dbus_error(invocation, "org.tabrmd.Manager1.Error.NotNow",
                                                   "there is no TPM");
    else if (number > fake_connections)
        g_dbus_method_invocation_return_dbus_error(invocation,
                                                   "org.tabrmd.Manager1.Error.NoSuchConnection",
                                                   "there is no such connection");
    else if (strcmp(level, "loud") == 0)
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.DBus.Error.InvalidArgs", "there is no level \"loud\"");
    else
        g_dbus_method_invocation_return_value(invocation, NULL);
}

static void fake_call(GDBusConnection *connection, const char *sender, const char *path,
                      const char *interface, const char *method, GVariant *parameters,
                      GDBusMethodInvocation *invocation, gpointer data)
{
    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    (void)data;
    if (fake_has("silent"))
        return;
    if (fake_has("denied")
        && (strcmp(method, "GetStatistics") == 0 || strcmp(method, "ListUsers") == 0))
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.DBus.Error.AccessDenied", "that is for root alone");
    else if (fake_has("old") && strcmp(method, "GetStatus") != 0)
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.DBus.Error.UnknownMethod", "No such method");
    else if (fake_has("busy") && strcmp(method, "GetLockout") == 0)
        g_dbus_method_invocation_return_dbus_error(invocation, "org.tabrmd.Manager1.Error.NotNow",
                                                   "the TPM works");
    else if (strcmp(method, "Disconnect") == 0 || strcmp(method, "FlushIdle") == 0
             || strcmp(method, "SetLogLevel") == 0)
        fake_steer(invocation, method, parameters);
    else
        fake_answer_list(invocation, method);
}

static GVariant *fake_property(GDBusConnection *connection, const char *sender, const char *path,
                               const char *interface, const char *name, GError **error,
                               gpointer data)
{
    static const struct {
        const char *name, *text;
    } properties[] = {
        {"Version", "'1.0.0'"},        {"Tpm", "''"},
        {"Manufacturer", "'IBM'"},     {"Model", "'SW   TPM'"},
        {"Firmware", "'8217.4131'"},   {"Revision", "'1.59'"},
        {"LogLevel", "'info'"},        {"ObjectSlots", "uint32 3"},
        {"SessionSlots", "uint32 3"},  {"ActiveSessions", "uint32 64"},
        {"MaxCommand", "uint32 4096"}, {"MaxResponse", "uint32 4096"},
    };

    (void)connection;
    (void)sender;
    (void)path;
    (void)interface;
    (void)error;
    (void)data;
    if (strcmp(name, "State") == 0)
        return g_variant_new_string(fake_has("lost") ? "lost" : "serving");
    for (gsize i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (strcmp(properties[i].name, name) == 0)
            return fake_parse(properties[i].text);
    }
    return NULL;
}

static void fake_export(GDBusConnection *connection)
{
    static const GDBusInterfaceVTable table = {.method_call = fake_call,
                                               .get_property = fake_property};
    g_autoptr(GError) error = NULL;

    if (g_dbus_connection_register_object(connection, "/org/tabrmd/Manager",
                                          fake_node->interfaces[0], &table, NULL, NULL, &error)
        == 0)
        g_error("cannot serve: %s", error->message);
}

static gboolean fake_connected(GDBusServer *server, GDBusConnection *connection, gpointer data)
{
    (void)server;
    (void)data;
    fake_export(g_object_ref(connection));
    return TRUE;
}

static void fake_bus(GDBusConnection *connection, const char *name, gpointer data)
{
    (void)name;
    (void)data;
    fake_export(connection);
}

static gboolean fake_end(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* A socket has its name before it listens: it gets the name that others wait for after that. */
static void fake_serve(const char *path)
{
    g_autofree char *early = g_strdup_printf("%s.early", path);
    g_autofree char *address = g_strdup_printf("unix:path=%s", early);
    g_autofree char *guid = g_dbus_generate_guid();
    g_autoptr(GError) error = NULL;
    GDBusServer *server =
        g_dbus_server_new_sync(address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, &error);

    if (!server)
        g_error("%s: %s", address, error->message);
    g_signal_connect(server, "new-connection", G_CALLBACK(fake_connected), NULL);
    g_dbus_server_start(server);
    if (rename(early, path) != 0)
        g_error("%s: %s", path, g_strerror(errno));
}

int main(int argc, char **argv)
{
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    if (argc < 4 || !g_file_get_contents(argv[1], &xml, NULL, &error))
        return EXIT_FAILURE;
    fake_node = g_dbus_node_info_new_for_xml(xml, &error);
    fake_connections = (unsigned)atoi(argv[3]);
    fake_flaw = argc > 4 ? argv[4] : "";
    if (!fake_node)
        g_error("%s: %s", argv[1], error->message);
    if (strcmp(argv[2], "bus") == 0)
        g_bus_own_name(G_BUS_TYPE_SESSION, "com.intel.tss2.Tabrmd", G_BUS_NAME_OWNER_FLAGS_NONE,
                       fake_bus, NULL, NULL, NULL, NULL);
    else
        fake_serve(argv[2]);
    g_unix_signal_add(SIGTERM, fake_end, loop);
    g_main_loop_run(loop);
    return EXIT_SUCCESS;
}
