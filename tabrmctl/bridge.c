/* SPDX-License-Identifier: BSD-2-Clause */
#include "bridge.h"

#include "bridge-connection.h"
#include "bridge-listen.h"
#include "bridge-peer.h"
#include "message.h"
#include "place.h"
#include "program.h"

#include <glib-unix.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

static struct place_options bridge_daemon;
static char *bridge_protocol, *bridge_listen_option, *bridge_unix_option;
static gboolean bridge_shared;

static const GOptionEntry bridge_options[] = {
    {"protocol", 'p', 0, G_OPTION_ARG_STRING, &bridge_protocol,
     "What programs speak: " BRIDGE_PROTOCOLS " (mssim)", "NAME"},
    {"listen", 'l', 0, G_OPTION_ARG_STRING, &bridge_listen_option,
     "Address of the loopback interface, and port (127.0.0.1:2321; a free one for PROGRAM)",
     "ADDRESS:PORT"},
    {"unix", 'u', 0, G_OPTION_ARG_FILENAME, &bridge_unix_option, "A Unix socket instead", "PATH"},
    {"shared", 's', 0, G_OPTION_ARG_NONE, &bridge_shared,
     "What a program loads stays for the next one, as in a simulator", NULL},
    {"tcti", 't', 0, G_OPTION_ARG_STRING, &bridge_daemon.tcti, PLACE_TCTI_HELP, "CONF"},
    {"tpm", 0, 0, G_OPTION_ARG_STRING, &bridge_daemon.tpm, PLACE_TPM_HELP, "NAME"},
    {.long_name = NULL},
};

struct bridge {
    struct bridge_hub hub;
    struct bridge_listen listen;
    guint sources[2]; /* of the listening sockets, or 0 */
    GMainLoop *loop;
};

static struct bridge *bridge_of(struct bridge_hub *hub)
{
    return (void *)((char *)hub - offsetof(struct bridge, hub));
}

/* Who comes while there is no room waits in the kernel's queue. `fd` is that whose source is gone
 * anyway. */
static void bridge_close_doors(struct bridge *bridge, int fd)
{
    for (unsigned i = 0; i < 2; i++) {
        if (bridge->sources[i] && bridge->listen.fds[i] != fd)
            g_source_remove(bridge->sources[i]);
        bridge->sources[i] = 0;
    }
}

static gboolean bridge_accept(gint fd, GIOCondition condition, gpointer data)
{
    struct bridge *bridge = data;
    int newcomer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)condition;
    if (newcomer < 0)
        return G_SOURCE_CONTINUE;
    switch (bridge_peer_find(newcomer)) {
    case BRIDGE_PEER_MINE:
        bridge_connection_new(&bridge->hub, newcomer, fd == bridge->listen.fds[1]);
        break;
    case BRIDGE_PEER_OTHER:
        message_error("a program of another user was turned away");
        close(newcomer);
        break;
    case BRIDGE_PEER_GONE:
        close(newcomer);
        break;
    }
    if (bridge->hub.count < BRIDGE_CONNECTIONS_MAX)
        return G_SOURCE_CONTINUE;
    bridge_close_doors(bridge, fd);
    return G_SOURCE_REMOVE;
}

/* Lets newcomers in, where there is room for more. */
static void bridge_open_doors(struct bridge_hub *hub)
{
    struct bridge *bridge = bridge_of(hub);

    for (unsigned i = 0; i < 2; i++) {
        if (!bridge->sources[i] && bridge->listen.fds[i] >= 0
            && hub->count < BRIDGE_CONNECTIONS_MAX)
            bridge->sources[i] =
                g_unix_fd_add(bridge->listen.fds[i], G_IO_IN, bridge_accept, bridge);
    }
}

static void bridge_set(GSubprocessLauncher *launcher, const char *name, const char *value)
{
    g_subprocess_launcher_setenv(launcher, name, value, TRUE);
}

/* What IBM's tools look for. Other programs get their address on their command line. */
static void bridge_tell_program(const struct bridge *bridge, GSubprocessLauncher *launcher)
{
    g_autofree char *port = g_strdup_printf("%u", bridge->listen.port);
    g_autofree char *next = g_strdup_printf("%u", bridge->listen.port + 1u);

    bridge_set(launcher, "TPM_INTERFACE_TYPE", "socsim");
    bridge_set(launcher, "TPM_SERVER_TYPE", bridge->hub.protocol->ibm);
    bridge_set(launcher, "TPM_SERVER_NAME", bridge->listen.host);
    bridge_set(launcher, "TPM_COMMAND_PORT", port);
    if (bridge->hub.protocol->control)
        bridge_set(launcher, "TPM_PLATFORM_PORT", next);
}

static int bridge_serve_program(struct bridge *bridge, char **argv)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    struct program program;

    if (!bridge->listen.path[0])
        bridge_tell_program(bridge, launcher);
    if (program_start(&program, launcher, argv, bridge->loop))
        g_main_loop_run(bridge->loop);
    program_clear(&program);
    return program.status;
}

static void bridge_print_json(const struct bridge *bridge)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL, *control = NULL;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "protocol");
    json_builder_add_string_value(builder, bridge->hub.protocol->name);
    json_builder_set_member_name(builder, bridge->listen.path[0] ? "socket" : "address");
    json_builder_add_string_value(builder, bridge->listen.path[0] ? bridge->listen.path
                                                                  : bridge->listen.host);
    if (!bridge->listen.path[0]) {
        json_builder_set_member_name(builder, "port");
        json_builder_add_int_value(builder, bridge->listen.port);
    }
    if (bridge->hub.protocol->control && bridge->listen.path[0]) {
        control = g_strconcat(bridge->listen.path, BRIDGE_LISTEN_CONTROL, NULL);
        json_builder_set_member_name(builder, "control_socket");
        json_builder_add_string_value(builder, control);
    } else if (bridge->hub.protocol->control) {
        json_builder_set_member_name(builder, "control_port");
        json_builder_add_int_value(builder, bridge->listen.port + 1);
    }
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    text = json_to_string(root, FALSE);
    printf("%s\n", text);
}

static void bridge_print(const struct bridge *bridge)
{
    const struct bridge_listen *at = &bridge->listen;
    bool two = bridge->hub.protocol->control;

    printf("%s on ", bridge->hub.protocol->name);
    if (at->path[0])
        printf("%s%s%s%s", at->path, two ? ", control " : "", two ? at->path : "",
               two ? BRIDGE_LISTEN_CONTROL : "");
    else
        printf("port %u of %s", at->port, at->host);
    if (two && !at->path[0])
        printf(", control %u", at->port + 1u);
    printf("; ends with Ctrl+C\n");
}

static gboolean bridge_stop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

/* Serves whoever comes, until a signal. */
static int bridge_serve(struct bridge *bridge, const struct globals *globals)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        g_unix_signal_add(signals[i], bridge_stop, bridge->loop);
    if (globals->json)
        bridge_print_json(bridge);
    else
        bridge_print(bridge);
    fflush(stdout);
    g_main_loop_run(bridge->loop);
    return EX_OK;
}

/* Whether tabrmd is there; a connection that all share is kept. */
static bool bridge_meet_daemon(struct bridge_hub *hub)
{
    struct bridge_link *link = bridge_link_new(hub->conf);

    if (link && hub->share)
        hub->shared = bridge_link_ref(link);
    bridge_link_unref(link);
    return link != NULL;
}

static int bridge_between(struct bridge *bridge, const struct globals *globals, char **argv)
{
    int status;

    if (!bridge_meet_daemon(&bridge->hub))
        return EX_UNAVAILABLE;
    status = bridge_listen_open(&bridge->listen, bridge->hub.protocol->control);
    if (status == EX_OK) {
        bridge->loop = g_main_loop_new(NULL, FALSE);
        bridge_open_doors(&bridge->hub);
        status = *argv ? bridge_serve_program(bridge, argv) : bridge_serve(bridge, globals);
        bridge_connection_end_all(&bridge->hub);
        g_main_loop_unref(bridge->loop);
    }
    bridge_link_unref(bridge->hub.shared);
    bridge_listen_close(&bridge->listen);
    return status;
}

/* Where to listen, by the options. */
static bool bridge_place(struct bridge_listen *listen, bool program)
{
    bridge_listen_init(listen, program ? 0 : BRIDGE_LISTEN_PORT);
    if (bridge_listen_option && bridge_unix_option) {
        message_error("--listen and --unix do not go together");
        return false;
    }
    if (bridge_listen_option)
        return bridge_listen_at(listen, bridge_listen_option);
    return !bridge_unix_option || bridge_listen_path(listen, bridge_unix_option);
}

static int bridge_run(const struct globals *globals, int argc, char **argv)
{
    const char *name = bridge_protocol ? bridge_protocol : "mssim";
    g_autofree char *tcti = NULL;
    struct bridge bridge = {
        .hub = {.protocol = bridge_protocol_find(name), .fewer = bridge_open_doors},
    };

    if (!bridge.hub.protocol) {
        message_error("there is no protocol \"%s\"; there are " BRIDGE_PROTOCOLS, name);
        return EX_USAGE;
    }
    bridge.hub.share = bridge_shared || bridge.hub.protocol->shared;
    if (globals->json && argc > 0) {
        message_error("with a program bridge has no output of its own, and so no --json");
        return EX_USAGE;
    }
    tcti = place_tcti(&bridge_daemon);
    if (!tcti || !bridge_place(&bridge.listen, argc > 0))
        return EX_USAGE;
    bridge.hub.conf = tcti;
    return bridge_between(&bridge, globals, argv);
}

const struct subcommand bridge_subcommand = {
    .name = "bridge",
    .arguments = "[-- PROGRAM [ARGUMENT]...]",
    .help = "let programs in that speak to a simulator",
    .more = "With PROGRAM it ends when that does, and with its exit status.",
    .options = bridge_options,
    .run = bridge_run,
};
