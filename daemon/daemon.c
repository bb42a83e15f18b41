/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon.h"

#include "bus/bus.h"
#include "bus/manager-frontend.h"
#include "bus/sleep.h"
#include "bus/tcti-frontend.h"
#include "config.h"
#include "engine/engine.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>
#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

/* Saved sessions that outlive their connections, for each user. */
#define DAEMON_ABANDONED_PER_UID 16

/* How long the engine may take to stop before the process ends without it, in seconds. */
#define DAEMON_STOP_SECONDS (ENGINE_STOP_MS / 1000 + 10)

struct daemon {
    const struct options *options;
    GMainLoop *loop;
    struct bus *bus;
    GDBusConnection *connection; /* borrowed from `bus` */
    struct engine *engine;
    struct tcti_frontend *tcti;
    struct manager_frontend *manager;
    struct sleep *sleep;
    int status;
    bool serving;  /* the engine is ready */
    bool stopping; /* the engine was asked to end */
    bool stuck;    /* it did not */
};

/* An event of the engine on its way to the main thread. */
enum daemon_event_kind {
    DAEMON_EVENT_READY,
    DAEMON_EVENT_FAILED,
    DAEMON_EVENT_GONE,
    DAEMON_EVENT_ANSWERED,
    DAEMON_EVENT_SUSPENDED,
    DAEMON_EVENT_STOPPED,
};

struct daemon_event {
    struct daemon *daemon;
    enum daemon_event_kind kind;
    enum tpm_fault fault;
    char *text;
    uint64_t id;
    uint32_t uid;
    void *token;
    struct engine_answer answer;
};

static void daemon_notify(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

/* The end, with a reason that a person has to see: on standard error, and in the log when that is
 * somewhere else. */
static void daemon_complain(const struct options *options, const char *text)
{
    fprintf(stderr, "tabrmd: %s\n", text);
    if (options->logger == LOG_SINK_SYSLOG)
        log_error("%s", text);
}

/* The engine hangs in the TPM's driver or library: nothing can be waited for any more. */
static gboolean daemon_stop_late(gpointer data)
{
    struct daemon *daemon = data;

    log_error("the TPM does not end its command; ending without it");
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
    daemon_notify("STOPPING=1");
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
    daemon_complain(daemon->options, text);
    daemon_stop(daemon, status);
}

static int daemon_tpm_status(enum tpm_fault fault)
{
    switch (fault) {
    case TPM_FAULT_ABSENT:
    case TPM_FAULT_VERSION12:
    case TPM_FAULT_REFUSED:
        return EX_UNAVAILABLE;
    case TPM_FAULT_GONE:
        return EX_IOERR;
    case TPM_FAULT_BUSY:
        return EX_TEMPFAIL;
    case TPM_FAULT_DENIED:
        return EX_NOPERM;
    case TPM_FAULT_CONF:
        return EX_CONFIG;
    case TPM_FAULT_RESOURCES:
        return EX_OSERR;
    }
    return EX_SOFTWARE;
}

static int daemon_bus_status(enum bus_fault fault)
{
    switch (fault) {
    case BUS_FAULT_NONE_THERE:
        return EX_UNAVAILABLE;
    case BUS_FAULT_TAKEN:
        return EX_TEMPFAIL;
    case BUS_FAULT_FORBIDDEN:
        return EX_NOPERM;
    }
    return EX_SOFTWARE;
}

static void daemon_sleep_prepare(void *data)
{
    struct daemon *daemon = data;

    if (engine_suspend(daemon->engine) < 0)
        log_warning("no memory to prepare for sleep");
}

static void daemon_sleep_woken(void *data)
{
    struct daemon *daemon = data;

    if (engine_resume(daemon->engine) < 0)
        log_error("no memory to come back from sleep; restart tabrmd");
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

static void daemon_engine_ready(struct daemon *daemon)
{
    daemon->serving = true;
    daemon_export(daemon);
    bus_own(daemon->bus);
}

static void daemon_answered(struct daemon *daemon, const struct daemon_event *event)
{
    GDBusMethodInvocation *invocation = event->token;

    if (strcmp(g_dbus_method_invocation_get_method_name(invocation), "GetStatus") == 0)
        manager_frontend_answered(invocation, &event->answer);
    else
        tcti_frontend_answered(daemon->tcti, invocation, &event->answer);
}

static gboolean daemon_event_arrives(gpointer data)
{
    struct daemon_event *event = data;
    struct daemon *daemon = event->daemon;

    switch (event->kind) {
    case DAEMON_EVENT_READY:
        if (!daemon->stopping)
            daemon_engine_ready(daemon);
        break;
    case DAEMON_EVENT_FAILED:
        daemon_fail(daemon, daemon_tpm_status(event->fault), event->text);
        break;
    case DAEMON_EVENT_GONE:
        tcti_frontend_client_gone(daemon->tcti, event->id, event->uid);
        break;
    case DAEMON_EVENT_ANSWERED:
        daemon_answered(daemon, event);
        break;
    case DAEMON_EVENT_SUSPENDED:
        if (daemon->sleep)
            sleep_ready(daemon->sleep);
        break;
    case DAEMON_EVENT_STOPPED:
        g_main_loop_quit(daemon->loop);
        break;
    }
    return G_SOURCE_REMOVE;
}

static void daemon_event_free(gpointer data)
{
    struct daemon_event *event = data;

    g_free(event->text);
    g_free(event);
}

/* Engine thread. Always through a source of the main loop: g_main_context_invoke() would run the
 * function on this thread while the main loop is not running. */
static void daemon_send(const struct daemon_event *event)
{
    struct daemon_event *copy = g_memdup2(event, sizeof(*event));
    GSource *source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, daemon_event_arrives, copy, daemon_event_free);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

static void daemon_on_ready(void *data)
{
    daemon_send(&(struct daemon_event){.daemon = data, .kind = DAEMON_EVENT_READY});
}

static void daemon_on_failed(void *data, enum tpm_fault fault, const char *text)
{
    daemon_send(&(struct daemon_event){
        .daemon = data, .kind = DAEMON_EVENT_FAILED, .fault = fault, .text = g_strdup(text)});
}

static void daemon_on_gone(void *data, uint64_t id, uint32_t uid)
{
    daemon_send(
        &(struct daemon_event){.daemon = data, .kind = DAEMON_EVENT_GONE, .id = id, .uid = uid});
}

static void daemon_on_answered(void *data, void *token, const struct engine_answer *answer)
{
    daemon_send(&(struct daemon_event){
        .daemon = data, .kind = DAEMON_EVENT_ANSWERED, .token = token, .answer = *answer});
}

static void daemon_on_suspended(void *data)
{
    daemon_send(&(struct daemon_event){.daemon = data, .kind = DAEMON_EVENT_SUSPENDED});
}

static void daemon_on_stopped(void *data)
{
    daemon_send(&(struct daemon_event){.daemon = data, .kind = DAEMON_EVENT_STOPPED});
}

/* The TPM is taken only where there is a bus to serve it on. */
static void daemon_start_engine(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    struct engine_config config = {
        .tcti = options->tcti,
        .limits = {options->max_transients, options->max_sessions, DAEMON_ABANDONED_PER_UID},
        .idle_release_ms = options->idle_release_ms,
        .flush_all = options->flush_all,
    };
    struct engine_events events = {
        .ready = daemon_on_ready,
        .failed = daemon_on_failed,
        .client_gone = daemon_on_gone,
        .answered = daemon_on_answered,
        .suspended = daemon_on_suspended,
        .stopped = daemon_on_stopped,
        .data = daemon,
    };

    daemon->engine = engine_new(&config, &events);
    if (!daemon->engine) {
        daemon_fail(daemon, EX_OSERR, "no memory, descriptors or threads left to start with");
        return;
    }
    daemon->tcti = tcti_frontend_new(daemon->engine, options->max_connections);
    daemon->manager = manager_frontend_new(daemon->engine, TABRMD_VERSION);
}

static void daemon_bus_connected(void *data, GDBusConnection *connection)
{
    struct daemon *daemon = data;

    daemon->connection = connection;
    if (!daemon->engine && !daemon->stopping)
        daemon_start_engine(daemon);
    daemon_export(daemon);
}

static void daemon_bus_owned(void *data)
{
    struct daemon *daemon = data;

    log_info("serving as %s on the %s bus", daemon->options->bus_name,
             daemon->options->session_bus ? "session" : "system");
    daemon_notify("READY=1");
}

static void daemon_bus_closed(void *data)
{
    struct daemon *daemon = data;

    daemon->connection = NULL;
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
    daemon_fail(data, daemon_bus_status(fault), text);
}

static gboolean daemon_signaled(gpointer data)
{
    daemon_stop(data, EX_OK);
    return G_SOURCE_CONTINUE;
}

#ifdef HAVE_LIBSYSTEMD
static gboolean daemon_watchdog(gpointer data)
{
    (void)data;
    daemon_notify("WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}
#endif

/* Tells the service manager that the main loop turns. The engine is not asked: a TPM may work on
 * one command for minutes. */
static void daemon_start_watchdog(void)
{
#ifdef HAVE_LIBSYSTEMD
    uint64_t interval;

    if (sd_watchdog_enabled(0, &interval) > 0)
        g_timeout_add((guint)(interval / 2000), daemon_watchdog, NULL);
#endif
}

/* What is in memory are secrets of the clients: nobody debugs it, no core of it is written. */
static void daemon_harden(void)
{
    struct rlimit none = {0, 0}, files;

    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        log_warning("core dumps of this process cannot be switched off");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            log_warning("the limit of open files cannot be raised");
    }
}

static void daemon_teardown(struct daemon *daemon)
{
    engine_free(daemon->engine);
    /* What the engine said last, and the answers of the front ends to that. */
    while (g_main_context_iteration(NULL, FALSE))
        ;
    sleep_free(daemon->sleep);
    tcti_frontend_free(daemon->tcti);
    manager_frontend_free(daemon->manager);
    bus_free(daemon->bus);
    g_main_loop_unref(daemon->loop);
}

int daemon_run(const struct options *options)
{
    struct daemon daemon = {.options = options};
    struct bus_events events = {
        .connected = daemon_bus_connected,
        .owned = daemon_bus_owned,
        .closed = daemon_bus_closed,
        .failed = daemon_bus_failed,
        .data = &daemon,
    };

    if (geteuid() == 0 && !options->allow_root) {
        daemon_complain(options, "not started as root: run it as user tss (the systemd unit does), "
                                 "or give --allow-root");
        return EX_NOPERM;
    }
    daemon_harden();
    if (options->prng_seed_file)
        log_info("--prng-seed-file has no effect: random numbers are the kernel's");
    daemon.loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, daemon_signaled, &daemon);
    g_unix_signal_add(SIGINT, daemon_signaled, &daemon);
    daemon_start_watchdog();
    daemon.bus = bus_new(options->session_bus, options->bus_name, &events);
    g_main_loop_run(daemon.loop);
    /* A thread that hangs cannot be joined, and what it uses cannot be freed. */
    if (!daemon.stuck)
        daemon_teardown(&daemon);
    return daemon.status;
}
