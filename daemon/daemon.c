/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include "bus/bus.h"
#include "bus/manager-frontend.h"
#include "bus/manager-socket.h"
#include "bus/tcti-frontend.h"
#include "config.h"
#include "engine-options.h"
#include "exit-status.h"
#include "process.h"
#include "relay.h"
#include "service.h"
#include "sleeper.h"
#include "sockets.h"
#include "status-line.h"
#include "watchdog.h"

#include <glib-unix.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* How long the engine may take to stop before the process ends without it, in seconds. */
#define DAEMON_STOP_SECONDS (ENGINE_STOP_MS / 1000 + 10)

/* How long a start waits for the bus where there are clients already, in milliseconds. */
#define DAEMON_BUS_MS 5000

/* How long calls, a command and the clean-up may take before the process leaves its clients to the
 * next daemon as they are, in seconds. Less than the service manager waits (TimeoutStopSec=). */
#define DAEMON_HAND_OVER_SECONDS ((BUS_DISOWN_MS + ENGINE_HAND_OVER_MS) / 1000 + 1)

/* What becomes of clients beyond the process. */
struct daemon_keeping {
    struct keeper *keeper; /* NULL: nobody keeps descriptors */
    struct passed passed;  /* what was kept, until the engine takes it */
    bool restores;         /* some was kept for this one */
    bool busless;          /* and the bus was missed: it is not waited for */
    bool handing_over;     /* the engine was asked to leave its clients to the next daemon, */
    bool handed_over;      /* and did, or there is no more time */
};

struct daemon {
    struct options *options;
    const struct reload_source *source; /* where they came from */
    GMainLoop *loop;
    struct sockets sockets;
    struct bus *bus;             /* NULL with --no-dbus */
    GDBusConnection *connection; /* to the bus; NULL while there is none */
    struct relay relay;
    struct engine *engine;
    struct tcti_frontend *tcti;
    struct manager_frontend *manager;
    struct manager_socket *manager_socket; /* NULL where there is no socket for it */
    struct sleeper sleeper;
    struct watchdog watchdog;
    struct status_line status_line;
    int status;
    struct daemon_keeping keeping;
    bool serving;  /* the engine is ready */
    bool ready;    /* the service manager was told so */
    bool stopping; /* the engine was asked to end */
    bool stuck;    /* it did not */
};

/* The engine hangs in the TPM's driver or library: nothing can be waited for any more. */
static gboolean daemon_stop_late(gpointer data)
{
    struct daemon *daemon = data;

    log_event(LOG_EVENT_FAILED, LOG_NOBODY, "the TPM does not end its command; ending without it");
    daemon->stuck = true;
    daemon->status = EX_IOERR;
    g_main_loop_quit(daemon->loop);
    return G_SOURCE_REMOVE;
}

static void daemon_stop(struct daemon *daemon, int status)
{
    if (daemon->stopping)
        return;
    daemon->stopping = true;
    daemon->status = status;
    service_notify("STOPPING=1");
    if (daemon->tcti)
        tcti_frontend_close(daemon->tcti);
    if (!daemon->engine) {
        g_main_loop_quit(daemon->loop);
        return;
    }
    engine_stop(daemon->engine);
    g_timeout_add_seconds(DAEMON_STOP_SECONDS, daemon_stop_late, daemon);
}

/* The engine hangs. A crash at this moment would leave the same to the next daemon. */
static gboolean daemon_hand_over_late(gpointer data)
{
    struct daemon *daemon = data;

    if (!daemon->stopping) {
        log_event(
            LOG_EVENT_FAILED, LOG_NOBODY,
            "the TPM does not end its command; leaving its client's answer to the next daemon");
        daemon->keeping.handed_over = true;
        g_main_loop_quit(daemon->loop);
    }
    return G_SOURCE_REMOVE;
}

static void daemon_hand_over(struct daemon *daemon)
{
    daemon->keeping.handing_over = true;
    log_event(LOG_EVENT_HANDING_OVER, LOG_NOBODY,
              "tabrmd was told to leave its clients to the next daemon");
    if (!daemon->engine) {
        daemon->keeping.handed_over = true;
        g_main_loop_quit(daemon->loop);
        return;
    }
    g_timeout_add_seconds(DAEMON_HAND_OVER_SECONDS, daemon_hand_over_late, daemon);
    if (daemon->bus)
        bus_disown(daemon->bus);
    else
        engine_hand_over(daemon->engine);
}

static void daemon_bus_disowned(void *data)
{
    struct daemon *daemon = data;

    engine_hand_over(daemon->engine);
}

static void daemon_handed_over(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->keeping.handed_over = true;
    g_main_loop_quit(daemon->loop);
}

static void daemon_fail(struct daemon *daemon, int status, const char *text)
{
    if (daemon->stopping)
        return;
    log_failure(text);
    daemon_stop(daemon, status);
}

static void daemon_export(struct daemon *daemon)
{
    if (!daemon->serving || !daemon->connection || !daemon->tcti || daemon->stopping)
        return;
    tcti_frontend_export(daemon->tcti, daemon->connection);
    manager_frontend_export(daemon->manager, daemon->connection);
    sleeper_connect(&daemon->sleeper, daemon->connection);
}

static void daemon_tell_ready(struct daemon *daemon)
{
    if (!daemon->ready)
        log_event(LOG_EVENT_STARTED, LOG_NOBODY, "tabrmd %s is ready", TABRMD_VERSION);
    daemon->ready = true;
    service_notify("READY=1");
}

/* Clients of a former daemon are served, and newcomers by the socket, whatever the bus is at. */
static gboolean daemon_serves_anyway(gpointer data)
{
    struct daemon *daemon = data;

    if (daemon->serving && !daemon->ready && !daemon->stopping)
        daemon_tell_ready(daemon);
    return G_SOURCE_REMOVE;
}

static void daemon_engine_ready(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->serving = true;
    if (daemon->sockets.path)
        log_info("serving on the socket %s", daemon->sockets.path);
    if (!daemon->bus || daemon->keeping.busless)
        daemon_tell_ready(daemon);
    else if (daemon->keeping.restores)
        g_timeout_add(DAEMON_BUS_MS, daemon_serves_anyway, daemon);
    daemon_export(daemon);
    if (daemon->bus && !daemon->keeping.handing_over)
        bus_own(daemon->bus);
}

/* The configuration that was read again is in force, or all stays as it was. */
static void daemon_reloaded(struct daemon *daemon)
{
    if (daemon->manager)
        manager_frontend_reloaded(daemon->manager);
    if (daemon->ready && !daemon->stopping)
        service_notify("READY=1");
}

/* Calls have their invocations for tokens, and a change the daemon. */
static void daemon_answered(struct daemon *daemon, const struct relay_event *event)
{
    if (event->token == daemon)
        daemon_reloaded(daemon);
    else if (manager_frontend_asked(daemon->manager, event->token))
        manager_frontend_answered(daemon->manager, event->token, &event->answer);
    else
        tcti_frontend_answered(daemon->tcti, event->token, &event->answer);
}

static void daemon_event_arrives(void *data, const struct relay_event *event)
{
    struct daemon *daemon = data;

    switch (event->kind) {
    case RELAY_READY:
        daemon_engine_ready(daemon);
        break;
    case RELAY_FAILED:
        daemon_fail(daemon, exit_status_tpm(event->fault), event->text);
        break;
    case RELAY_RESTORED:
        tcti_frontend_restored(daemon->tcti, &event->restored);
        break;
    case RELAY_HEARD:
        tcti_frontend_client_heard(daemon->tcti, event->id);
        break;
    case RELAY_GONE:
        tcti_frontend_client_gone(daemon->tcti, event->id);
        break;
    case RELAY_ANSWERED:
        daemon_answered(daemon, event);
        break;
    case RELAY_SUSPENDED:
        sleeper_ready(&daemon->sleeper);
        break;
    case RELAY_STATE:
        status_line_tell(&daemon->status_line, event->state);
        manager_frontend_state(daemon->manager, event->state);
        break;
    case RELAY_TROUBLE:
        status_line_log(event->trouble);
        manager_frontend_trouble(daemon->manager, trouble_kind(event->trouble),
                                 trouble_text(event->trouble), trouble_remedy(event->trouble));
        break;
    case RELAY_HANDED_OVER:
        daemon_handed_over(daemon);
        break;
    case RELAY_STOPPED:
        g_main_loop_quit(daemon->loop);
        break;
    }
}

/* The TPM is taken only where there is a bus to serve it on, or none is wanted, or there may be
 * clients already. */
static void daemon_start_engine(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    g_autofree char *runtime_dir = service_runtime_dir();
    g_autofree char *name = engine_options_name(options, daemon->sockets.path);
    struct engine_config config = {
        .name = name,
        .runtime_dir = runtime_dir,
        .accounts = engine_options_accounts(options, &daemon->sockets),
        .keeper = daemon->keeping.keeper,
        .passed = &daemon->keeping.passed,
    };
    struct engine_events events;

    engine_options_fill(options, &config);
    daemon->relay = (struct relay){daemon_event_arrives, daemon};
    relay_fill(&daemon->relay, &events);
    daemon->engine = engine_new(&config, &events, daemon->sockets.clients);
    if (!daemon->engine) {
        daemon_fail(daemon, EX_OSERR, "no memory, descriptors or threads left to start with");
        return;
    }
    daemon->sockets.clients = NULL;
    daemon->manager = manager_frontend_new(daemon->engine, daemon->bus, TABRMD_VERSION,
                                           options->settings.of[OPTION_TPM].value);
    if (daemon->sockets.manager)
        daemon->manager_socket =
            manager_socket_new(daemon->sockets.manager, daemon->engine, daemon->manager);
    daemon->sockets.manager = NULL;
    if (daemon->bus)
        daemon->tcti = tcti_frontend_new(daemon->engine, daemon->bus);
    sleeper_start(&daemon->sleeper, daemon->engine, daemon->bus && !options->session_bus,
                  daemon->keeping.restores);
    watchdog_watch(&daemon->watchdog, daemon->engine, daemon->manager);
}

static void daemon_bus_connected(void *data, GDBusConnection *connection)
{
    struct daemon *daemon = data;

    daemon->connection = g_object_ref(connection);
    if (!daemon->engine && !daemon->stopping)
        daemon_start_engine(daemon);
    daemon_export(daemon);
}

static void daemon_bus_identified(void *data, const char *id)
{
    struct daemon *daemon = data;

    if (daemon->tcti && !daemon->stopping)
        tcti_frontend_bus_identified(daemon->tcti, id);
}

/* Nobody tells of sleep, then, and there is nothing to wait for. */
static void daemon_bus_missed(void *data)
{
    struct daemon *daemon = data;

    sleeper_disconnect(&daemon->sleeper);
    daemon->keeping.busless = true;
    (void)daemon_serves_anyway(daemon);
}

static void daemon_bus_owned(void *data)
{
    daemon_tell_ready(data);
}

static void daemon_bus_left(void *data, const char *name)
{
    struct daemon *daemon = data;

    if (daemon->tcti)
        tcti_frontend_caller_left(daemon->tcti, name);
}

static void daemon_bus_closed(void *data)
{
    struct daemon *daemon = data;

    if (daemon->manager)
        manager_frontend_unexport(daemon->manager, daemon->connection);
    g_clear_object(&daemon->connection);
    if (daemon->tcti)
        tcti_frontend_bus_closed(daemon->tcti);
    sleeper_disconnect(&daemon->sleeper);
}

static void daemon_bus_failed(void *data, enum bus_fault fault, const char *text)
{
    daemon_fail(data, exit_status_bus(fault), text);
}

static gboolean daemon_signaled(gpointer data)
{
    struct daemon *daemon = data;

    if (!daemon->stopping)
        log_event(LOG_EVENT_STOPPING, LOG_NOBODY, "tabrmd was told to end");
    daemon_stop(daemon, EX_OK);
    return G_SOURCE_CONTINUE;
}

/* Where nobody keeps connections for the next daemon this is the end of them. */
static gboolean daemon_restarts(gpointer data)
{
    struct daemon *daemon = data;

    if (!daemon->keeping.keeper)
        return daemon_signaled(daemon);
    if (!daemon->stopping && !daemon->keeping.handing_over)
        daemon_hand_over(daemon);
    return G_SOURCE_CONTINUE;
}

static gboolean daemon_hung_up(gpointer data)
{
    struct daemon *daemon = data;
    struct engine_config config = {0};
    int error = 0;

    if (daemon->stopping)
        return G_SOURCE_CONTINUE;
    if (daemon->ready)
        service_notify_reloading();
    if (!reload_options(daemon->options, daemon->source) || !daemon->engine) {
        daemon_reloaded(daemon);
        return G_SOURCE_CONTINUE;
    }
    engine_options_fill_live(daemon->options, &config);
    error = engine_change(daemon->engine, &config, daemon);
    if (error) {
        log_event(
            LOG_EVENT_RELOAD_FAILED, LOG_NOBODY,
            "limits, priorities, policies and idle-release stay as they were: %s; reload again",
            strerror(-error));
        daemon_reloaded(daemon);
    }
    return G_SOURCE_CONTINUE;
}

static void daemon_teardown(struct daemon *daemon)
{
    if (daemon->tcti)
        tcti_frontend_end(daemon->tcti);
    if (daemon->manager)
        manager_frontend_close(daemon->manager);
    if (daemon->manager_socket)
        manager_socket_close(daemon->manager_socket);
    engine_free(daemon->engine);
    /* The engine's last events, and the answers of the front ends to them. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    sleeper_clear(&daemon->sleeper);
    /* The bus still tells of programs that leave while it gets the last answers. */
    g_clear_pointer(&daemon->tcti, tcti_frontend_free);
    manager_socket_free(daemon->manager_socket);
    manager_frontend_free(daemon->manager);
    g_clear_object(&daemon->connection);
    bus_free(daemon->bus);
    sockets_close(&daemon->sockets, daemon->keeping.keeper && daemon->status != EX_OK);
    keeper_free(daemon->keeping.keeper);
    passed_clear(&daemon->keeping.passed);
    g_main_loop_unref(daemon->loop);
}

/* Leaves the clients' connections and what they have to the next daemon, by an end which the
 * service manager takes for a restart. Answers on the bus go out before; the engine goes on, and
 * tells of its clients. */
static void daemon_leave(struct daemon *daemon)
{
    if (daemon->manager)
        manager_frontend_close(daemon->manager);
    sleeper_clear(&daemon->sleeper);
    g_clear_pointer(&daemon->tcti, tcti_frontend_free);
    bus_free(daemon->bus);
    signal(SIGUSR1, SIG_DFL);
    raise(SIGUSR1);
}

static void daemon_serve(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    struct bus_events events = {
        .connected = daemon_bus_connected,
        .identified = daemon_bus_identified,
        .owned = daemon_bus_owned,
        .left = daemon_bus_left,
        .closed = daemon_bus_closed,
        .disowned = daemon_bus_disowned,
        .failed = daemon_bus_failed,
        .missed = daemon_bus_missed,
        .data = daemon,
    };

    daemon->keeping.restores = passed_has_clients(&daemon->keeping.passed);
    g_unix_signal_add(SIGTERM, daemon_signaled, daemon);
    g_unix_signal_add(SIGINT, daemon_signaled, daemon);
    g_unix_signal_add(SIGUSR1, daemon_restarts, daemon);
    g_unix_signal_add(SIGHUP, daemon_hung_up, daemon);
    watchdog_start(&daemon->watchdog);
    if (!options->no_bus)
        daemon->bus =
            bus_new(options->session_bus, options->bus_name, !daemon->keeping.restores, &events);
    if (options->no_bus || daemon->keeping.restores)
        daemon_start_engine(daemon);
    if (!daemon->stopping)
        g_main_loop_run(daemon->loop);
}

int daemon_run(struct options *options, const struct reload_source *source)
{
    struct daemon daemon = {.options = options, .source = source};
    g_autofree char *text = NULL;

    if (geteuid() == 0 && !options->allow_root) {
        log_failure("not started as root: run it as user tss (the systemd unit does), "
                    "or give --allow-root");
        return EX_NOPERM;
    }
    process_harden(TABRMD_DEBUGGABLE);
    if (settings_given(&options->settings, OPTION_PRNG_SEED_FILE))
        log_info("--prng-seed-file has no effect: random numbers are the kernel's");
    daemon.loop = g_main_loop_new(NULL, FALSE);
    daemon.keeping.keeper = service_keeper();
    service_take_passed(&daemon.keeping.passed, daemon.keeping.keeper);
    daemon.status = sockets_open(&daemon.sockets, options, &daemon.keeping.passed,
                                 daemon.keeping.keeper, &text);
    if (text)
        log_failure(text);
    if (daemon.status == EX_OK)
        daemon_serve(&daemon);
    if (daemon.keeping.handed_over)
        daemon_leave(&daemon);
    /* A thread that hangs cannot be joined, and what it uses cannot be freed. */
    if (!daemon.stuck)
        daemon_teardown(&daemon);
    return daemon.status;
}
