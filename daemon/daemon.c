/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include "bus/bus.h"
#include "bus/manager-frontend.h"
#include "bus/manager-socket.h"
#include "bus/sleep.h"
#include "bus/tcti-frontend.h"
#include "config.h"
#include "engine/membership.h"
#include "exit-status.h"
#include "process.h"
#include "relay.h"
#include "service.h"
#include "sockets.h"
#include "status-line.h"

#include <glib-unix.h>
#include <grp.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* How long the engine may take to stop before the process ends without it, in seconds. */
#define DAEMON_STOP_SECONDS (ENGINE_STOP_MS / 1000 + 10)

/* How long a connection waits for the user database, milliseconds. */
#define DAEMON_ACCOUNT_TIMEOUT_MS 2000

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
    struct sleep *sleep;
    struct status_line status_line;
    int status;
    bool serving;  /* the engine is ready */
    bool ready;    /* the service manager was told so */
    bool stopping; /* the engine was asked to end */
    bool stuck;    /* it did not */
    bool silent;   /* it gave no sign of life, which was logged */
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

static void daemon_fail(struct daemon *daemon, int status, const char *text)
{
    if (daemon->stopping)
        return;
    log_failure(text);
    daemon_stop(daemon, status);
}

static void daemon_sleep_prepare(void *data)
{
    struct daemon *daemon = data;

    engine_suspend(daemon->engine);
}

static void daemon_sleep_woken(void *data)
{
    struct daemon *daemon = data;

    engine_resume(daemon->engine);
}

static void daemon_export(struct daemon *daemon)
{
    struct sleep_events events = {daemon_sleep_prepare, daemon_sleep_woken, daemon};

    if (!daemon->serving || !daemon->connection || daemon->stopping)
        return;
    tcti_frontend_export(daemon->tcti, daemon->connection);
    manager_frontend_export(daemon->manager, daemon->connection);
    if (!daemon->options->session_bus && !daemon->sleep)
        daemon->sleep = sleep_new(daemon->connection, &events);
}

static void daemon_tell_ready(struct daemon *daemon)
{
    if (!daemon->ready)
        log_event(LOG_EVENT_STARTED, LOG_NOBODY, "tabrmd %s is ready", TABRMD_VERSION);
    daemon->ready = true;
    service_notify("READY=1");
}

static void daemon_engine_ready(struct daemon *daemon)
{
    if (daemon->stopping)
        return;
    daemon->serving = true;
    if (daemon->sockets.path)
        log_info("serving on the socket %s", daemon->sockets.path);
    if (!daemon->bus) {
        daemon_tell_ready(daemon);
        return;
    }
    daemon_export(daemon);
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
        if (daemon->sleep)
            sleep_ready(daemon->sleep);
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
    case RELAY_STOPPED:
        g_main_loop_quit(daemon->loop);
        break;
    }
}

/* Who is a member, and how users are put on accounts. Whoever is let in by the socket's group, or
 * by that of the bus policy where there is no socket, is a member; without any such group all are
 * guests. */
static struct accounts_config daemon_accounts(const struct daemon *daemon)
{
    struct accounts_config config = {
        .lookup = membership_lookup,
        .list = membership_list,
        .group = (gid_t)-1,
        .apart = daemon->options->guests_apart,
        .timeout_ms = DAEMON_ACCOUNT_TIMEOUT_MS,
    };

    if (!daemon->sockets.clients || !listener_group(daemon->sockets.clients, &config.group)) {
        const struct group *group = getgrnam(daemon->options->socket_group);

        if (group)
            config.group = group->gr_gid;
    }
    return config;
}

static char *daemon_name(const struct options *options, const char *socket_path)
{
    if (options->no_bus)
        return g_strdup_printf("socket %s", socket_path ? socket_path : "");
    return g_strdup_printf("%s %s", options->session_bus ? "session" : "system", options->bus_name);
}

/* What can change while the engine runs. */
static void daemon_fill_live(const struct options *options, struct engine_config *config)
{
    const struct options_limits *limits = &options->limits;

    config->rules = (struct rules_config){
        .limits = {.objects_per_client = limits->max_transients,
                   .sessions_per_client = limits->max_sessions,
                   .objects_per_uid = limits->max_transients_per_user,
                   .sessions_per_uid = limits->max_sessions_per_user,
                   .abandoned_per_uid = limits->max_abandoned_per_user,
                   .share_sessions = true},
        .connections_per_user = limits->max_connections_per_user,
        .rules = (gconstpointer)options->rules->data,
        .count = options->rules->len,
    };
    config->max_connections = process_carries(limits->max_connections);
    config->idle_release_ms = options->idle_release_ms;
    option_policies_fill(&options->policies, &config->policies);
}

/* The TPM is taken only where there is a bus to serve it on, or none is wanted. */
static void daemon_start_engine(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    g_autofree char *runtime_dir = service_runtime_dir();
    g_autofree char *name = daemon_name(options, daemon->sockets.path);
    struct engine_config config = {
        .tcti = options->tcti,
        .name = name,
        .runtime_dir = runtime_dir,
        .accounts = daemon_accounts(daemon),
        .reserve = options->reserve,
        .sleep_untold = options->no_bus || options->session_bus,
        .flush_all = options->flush_all,
    };
    struct engine_events events;

    daemon_fill_live(options, &config);
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
}

static void daemon_bus_connected(void *data, GDBusConnection *connection)
{
    struct daemon *daemon = data;

    daemon->connection = g_object_ref(connection);
    if (!daemon->engine && !daemon->stopping)
        daemon_start_engine(daemon);
    daemon_export(daemon);
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
    if (!daemon->sleep)
        return;
    sleep_free(daemon->sleep);
    daemon->sleep = NULL;
    daemon_sleep_woken(daemon);
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
    daemon_fill_live(daemon->options, &config);
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

/* Tells the service manager that both threads turn. */
static gboolean daemon_watchdog(gpointer data)
{
    struct daemon *daemon = data;

    if (!daemon->engine || engine_alive(daemon->engine)) {
        service_notify("WATCHDOG=1");
        daemon->silent = false;
    } else if (!daemon->silent) {
        log_event(LOG_EVENT_WATCHDOG, LOG_NOBODY,
                  "the engine gives no sign of life; the service manager is told no more that all "
                  "is well");
        manager_frontend_trouble(daemon->manager, "watchdog",
                                 "tabrmd's engine gives no sign of life",
                                 "restart tabrmd (systemctl restart tabrmd), and report what its "
                                 "log says before that");
        daemon->silent = true;
    }
    return G_SOURCE_CONTINUE;
}

static void daemon_start_watchdog(struct daemon *daemon)
{
    unsigned ms = service_watchdog_ms();

    if (ms)
        g_timeout_add(MAX(ms / 2, 1), daemon_watchdog, daemon);
}

static void daemon_teardown(struct daemon *daemon)
{
    if (daemon->manager)
        manager_frontend_close(daemon->manager);
    if (daemon->manager_socket)
        manager_socket_close(daemon->manager_socket);
    engine_free(daemon->engine);
    /* The engine's last events, and the answers of the front ends to them. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    sleep_free(daemon->sleep);
    /* The bus still tells of programs that leave while it gets the last answers. */
    g_clear_pointer(&daemon->tcti, tcti_frontend_free);
    manager_socket_free(daemon->manager_socket);
    manager_frontend_free(daemon->manager);
    g_clear_object(&daemon->connection);
    bus_free(daemon->bus);
    sockets_close(&daemon->sockets);
    g_main_loop_unref(daemon->loop);
}

static void daemon_serve(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    struct bus_events events = {
        .connected = daemon_bus_connected,
        .owned = daemon_bus_owned,
        .left = daemon_bus_left,
        .closed = daemon_bus_closed,
        .failed = daemon_bus_failed,
        .data = daemon,
    };

    g_unix_signal_add(SIGTERM, daemon_signaled, daemon);
    g_unix_signal_add(SIGINT, daemon_signaled, daemon);
    g_unix_signal_add(SIGHUP, daemon_hung_up, daemon);
    daemon_start_watchdog(daemon);
    if (options->no_bus)
        daemon_start_engine(daemon);
    else
        daemon->bus = bus_new(options->session_bus, options->bus_name, &events);
    if (daemon->bus || daemon->engine)
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
    daemon.status = sockets_open(&daemon.sockets, options, &text);
    if (text)
        log_failure(text);
    if (daemon.status == EX_OK)
        daemon_serve(&daemon);
    /* A thread that hangs cannot be joined, and what it uses cannot be freed. */
    if (!daemon.stuck)
        daemon_teardown(&daemon);
    return daemon.status;
}
