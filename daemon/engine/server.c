/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "rm/rc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_tcti.h>

/* How long the running command is left alone before it is canceled: after server_stop(), and after
 * server_hand_over(), where clients are still there for its answer. */
#define SERVER_STOP_PATIENCE_MS      10000
#define SERVER_HAND_OVER_PATIENCE_MS 25000

/* Both functions run inside of a TPM command. Each call does a bounded amount of work, and then the
 * TPM's answer is looked for again. */
static void server_waiter_serve(void *data)
{
    struct server *server = data;

    server->clients.arrival = clock_now_ns();
    loop_run_nested(&server->loop);
    server->clients.arrival = 0;
    control_channel_scan_all(&server->channel);
    surveys_step(&server->surveys);
    journal_commit(server->desk.journal);
    if (server_phase_ends(server->phase) && ending_cancels(&server->ending))
        tpm_link_cancel(&server->managed.link);
}

static int server_waiter_timeout(void *data)
{
    struct server *server = data;
    bool more = scheduler_scans(&server->scheduler) || surveys_waiting(&server->surveys);

    if (!server_phase_ends(server->phase))
        return more ? 0 : -1;
    if (ending_left(&server->ending) == 0)
        return TCTI_GIVE_UP;
    return more ? 0 : ending_next(&server->ending);
}

static void server_fail(struct server *server, enum tpm_fault fault, const char *text)
{
    bool suspending = server->phase == SERVER_SUSPENDING || server->suspend_at_start;

    if (server->phase != SERVER_STOPPING)
        server->phase = SERVER_FAILED;
    newcomers_close(&server->newcomers);
    if (server->kept.succession.keeper && !server->kept.taken)
        listener_leave(server->acceptor.listener);
    acceptor_close(&server->acceptor);
    server->events.failed(server->events.data, fault, text);
    if (suspending)
        server->events.suspended(server->events.data);
}

/* The clients of a former daemon have done no harm for a while. */
static void server_trusts(struct timer *timer)
{
    struct server *server = list_entry(timer, struct server, kept.trust);

    succession_trust(&server->kept.succession);
}

/* What was taken over is served from now on. */
static void server_open(struct server *server)
{
    server->kept.taken = true;
    if (server->kept.bus[0])
        server_set_bus(server, server->kept.bus);
    loop_arm(&server->loop, &server->kept.trust, LEGACY_TRUST_MS);
    if (server->phase == SERVER_STARTING)
        server->phase = server->suspend_at_start ? SERVER_SUSPENDING : SERVER_SERVING;
    if (server->phase == SERVER_HANDING_OVER)
        acceptor_rest(&server->acceptor);
    policies_warn(server->clients.policies, server->managed.permanent);
    server->events.ready(server->events.data);
}

/* Takes the TPM over; ready() or failed() tells how that went. */
static void server_take(struct server *server)
{
    const struct takeover takeover = {
        .managed = &server->managed,
        .desk = &server->desk,
        .clients = &server->clients,
        .newcomers = &server->newcomers,
        .succession = &server->kept.succession,
        .legacy = &server->kept.legacy,
        .events = &server->events,
    };
    char text[TPM_FAULT_TEXT];
    enum tpm_fault fault;

    if (!takeover_run(&takeover, &fault, text))
        server_fail(server, fault, text);
    else if (acceptor_open(&server->acceptor) < 0)
        server_fail(server, tpm_fault_memory(text), text);
    else
        server_open(server);
}

/* The chip's answer to a client means that something is wrong. */
static void server_tell_trouble(struct server *server)
{
    enum trouble trouble = server->dispatch.trouble;

    server->dispatch.trouble = TROUBLE_NONE;
    condition_trouble(&server->condition, &server->events, trouble, clock_now());
}

/* Tells the state if it may be another one: as a rule that is two comparisons. */
static void server_see_state(struct server *server)
{
    if (server->seen_phase == server->phase && server->seen_link == server->managed.link.state)
        return;
    server->seen_phase = server->phase;
    server->seen_link = server->managed.link.state;
    condition_set_state(&server->condition, &server->events,
                        server_phase_state(server->phase, server->managed.link.state), clock_now());
}

/* More steps than there are slots. */
#define SERVER_SETTLE_STEPS 1024

/* Makes the room again that a command took of what is kept for the TPM's other users. */
static void server_settle(struct server *server)
{
    for (unsigned i = 0; i < SERVER_SETTLE_STEPS && !server_phase_ends(server->phase); i++)
        if (!managed_tpm_settle(&server->managed))
            return;
}

static void server_tell_suspended(struct server *server, bool clean)
{
    if (!clean)
        log_event(LOG_EVENT_SLEEP_UNSAVED, LOG_NOBODY,
                  "no memory to save what is loaded in the TPM before the machine sleeps: if the "
                  "TPM loses power, clients lose keys and sessions and must load them again");
    server->phase = SERVER_SUSPENDED;
    server->events.suspended(server->events.data);
}

/* One chip command of cleaning up, if it is time for that. */
static void server_clean_up(struct server *server)
{
    bool suspending = server->phase == SERVER_SUSPENDING;
    enum idle_progress progress;

    if (server->phase == SERVER_SUSPENDED || server_phase_ends(server->phase))
        return;
    if (!suspending && (!server->managed.idle.due || scheduler_waiting(&server->scheduler)))
        return;
    progress = managed_tpm_clean_up(&server->managed, suspending);
    /* A message that came meanwhile may have ended the suspending. */
    if (suspending && server->phase == SERVER_SUSPENDING && progress != IDLE_MORE)
        server_tell_suspended(server, progress == IDLE_CLEAN);
}

void server_free_closed(struct server *server)
{
    struct client_end end;

    while (clients_reap(&server->clients, &end)) {
        if (end.heard)
            idle_arm(&server->managed.idle, clock_now());
        if (end.origin != CLIENT_FROM_BUS)
            continue;
        if (end.opened && !end.heard)
            server->events.client_heard(server->events.data, end.id);
        server->events.client_gone(server->events.data, end.id);
    }
}

/* Makes the resource manager's side of a client when its first command comes. */
static void server_prepare(struct server *server, struct client *client)
{
    bool heard = client->rm;

    if (client_prepare(client, server->managed.rm) && !heard && client->origin == CLIENT_FROM_BUS)
        server->events.client_heard(server->events.data, client->id);
}

/* Serves the client whose turn it is, if it is anybody's. */
static void server_serve(struct server *server)
{
    struct client *client;

    server_settle(server);
    client = dispatch_begin(&server->dispatch);
    if (!client)
        return;
    if (client->command == CLIENT_COMMAND_READ)
        server_prepare(server, client);
    dispatch_run(&server->dispatch, server->managed.rm);
    if (server->dispatch.trouble != TROUBLE_NONE)
        server_tell_trouble(server);
    server_settle(server);
    idle_arm(&server->managed.idle, dispatch_end(&server->dispatch));
}

/* Whether the TPM may be asked something that is no client's command. */
static bool server_may_ask(const void *data)
{
    const struct server *server = data;

    return server->phase == SERVER_SERVING && managed_tpm_serves(&server->managed);
}

/* Milliseconds for which the loop may wait for events, its deadlines aside; -1 for ever. */
static int server_timeout(const struct server *server)
{
    bool serving = server->phase == SERVER_SERVING;

    if (serving ? scheduler_waiting(&server->scheduler) : scheduler_scans(&server->scheduler))
        return 0;
    if (server->phase == SERVER_HANDING_OVER)
        return server->kept.emptied ? ending_left(&server->ending) : 0;
    return server->phase == SERVER_SUSPENDING || (serving && server->managed.idle.due) ? 0 : -1;
}

/* One chip command of leaving the TPM empty. The books outlive the process, and so do the clients'
 * connections, once the service manager has all of them: both are as after any other command. */
static void server_step_over(struct server *server)
{
    server->kept.emptied =
        ending_left(&server->ending) == 0 || !managed_tpm_empty(&server->managed);
    /* Stopped meanwhile, perhaps. */
    if (!server->kept.emptied || server->phase != SERVER_HANDING_OVER
        || (seats_wait(&server->newcomers.seats) && ending_left(&server->ending) > 0))
        return;
    server->phase = SERVER_HANDED_OVER;
    succession_hand_over(&server->kept.succession);
    journal_commit(server->kept.succession.journal);
    server->events.handed_over(server->events.data);
}

static void server_loop(struct server *server)
{
    char text[TPM_FAULT_TEXT];

    while (server->phase != SERVER_STOPPING) {
        if (server_phase_lives(server->phase)
            && !managed_tpm_poll(&server->managed, server->clients.count > 0, text))
            server_fail(server, TPM_FAULT_GONE, text);
        server_see_state(server);
        journal_commit(server->desk.journal);
        /* Room for one event of each client, and some for others: the events of all clients are
         * seen before the next turn is given, but no more, as new events may come all the time. */
        loop_run(&server->loop, server_timeout(server), server->clients.count / LOOP_EVENTS + 1);
        server_reap(server);
        if (server->phase == SERVER_STOPPING)
            break;
        if (server->phase == SERVER_SERVING)
            server_serve(server);
        else if (server->phase == SERVER_HANDING_OVER)
            server_step_over(server);
        else
            control_channel_scan_all(&server->channel);
        server_reap(server);
        server_clean_up(server);
    }
}

/* Who is not served on ends at once. Clients go first, so that their sessions are not saved. */
void server_run(struct server *server)
{
    server_take(server);
    server_reap(server);
    server_loop(server);
    server_see_state(server);
    if (server->kept.taken)
        succession_end(&server->kept.succession);
    clients_close(&server->clients);
    server_reap(server);
    users_leave_manager(&server->newcomers.users);
    managed_tpm_leave(&server->managed, &server->ending);
    surveys_refuse(&server->surveys, TSS2_TCTI_RC_NO_CONNECTION);
}

static int server_init_tpm(struct server *server, const struct managed_tpm_config *config)
{
    struct tcti_waiter waiter = {server->loop.fd, server_waiter_serve, server_waiter_timeout,
                                 server};

    return managed_tpm_init(&server->managed, &server->loop, config, &waiter);
}

void server_get_status(const struct server *server, struct engine_status *status)
{
    *status = (struct engine_status){
        .clients = server->clients.count,
        .tpm_present = tpm_link_is_open(&server->managed.link),
        .chip_time = server->clients.statistics.chip_ns / 1000,
        .state = server_phase_state(server->phase, server->managed.link.state),
    };
    condition_get_status(&server->condition, status, clock_now());
    if (server->managed.rm)
        status->stats = *rm_stats(server->managed.rm);
}

void server_answer(const struct server *server, void *token, uint32_t rc, struct snapshot *snapshot)
{
    struct engine_answer answer = {.rc = rc, .snapshot = snapshot};

    journal_commit(server->desk.journal);
    server_get_status(server, &answer.status);
    server->events.answered(server->events.data, token, &answer);
}

static void server_surveyed(const void *data, void *token, uint32_t rc, struct snapshot *snapshot)
{
    server_answer(data, token, rc, snapshot);
}

static void server_init_surveys(struct server *server)
{
    const struct surveys_owner owner = {server_may_ask, server_surveyed, server};

    surveys_init(&server->surveys, &server->clients, &server->newcomers, &server->managed,
                 &server->dispatch, &owner);
}

int server_init(struct server *server, const struct server_config *config,
                const struct engine_events *events, struct listener *listener,
                void (*told)(void *data), void *data)
{
    int error;

    *server = (struct server){.events = *events};
    if (!legacy_init(&server->kept.legacy, config->passed))
        return -ENOMEM;
    timer_init(&server->kept.trust, server_trusts);
    scheduler_init(&server->scheduler, client_affinity);
    clients_init(&server->clients, &server->loop, &server->scheduler, &server->newcomers.admission,
                 &server->desk);
    dispatch_init(&server->dispatch, &server->clients, &server->channel);
    acceptor_init(&server->acceptor, &server->loop, NULL, newcomers_accept, &server->newcomers);
    error = newcomers_init(&server->newcomers, &server->loop, &server->clients, &config->newcomers,
                           told, data);
    if (error) {
        legacy_clear(&server->kept.legacy);
        return error;
    }
    error = loop_init(&server->loop);
    if (!error)
        error = clients_init_policies(&server->clients, &config->policies);
    if (!error)
        error = server_init_tpm(server, &config->tpm);
    if (error) {
        server_clear(server);
        return error;
    }
    server->channel = (struct control_channel){&server->clients, &server->managed.link};
    server_init_surveys(server);
    server->acceptor.listener = listener;
    server->kept.succession.keeper = config->keeper;
    return 0;
}

void server_clear(struct server *server)
{
    acceptor_close(&server->acceptor);
    clients_clear(&server->clients);
    managed_tpm_clear(&server->managed);
    dispatch_clear(&server->dispatch);
    desk_close(&server->desk);
    loop_clear(&server->loop);
    newcomers_clear(&server->newcomers);
    legacy_clear(&server->kept.legacy);
    succession_abandon(&server->kept.succession);
}

/* A client that is closed may have events that are still to be looked at: it is freed later. */
void server_welcome(struct server *server, struct client *client)
{
    if (server_phase_lives(server->phase))
        newcomers_welcome(&server->newcomers, client);
    else
        client_close(client);
}

uint32_t server_cancel(struct server *server, uint64_t id)
{
    struct client *client = clients_find(&server->clients, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return client->command == CLIENT_COMMAND_NONE ? client_cancel_waiting(client)
                                                  : tpm_link_cancel(&server->managed.link);
}

uint32_t server_set_locality(struct server *server, uint64_t id, uint8_t locality)
{
    struct client *client = clients_find(&server->clients, id);

    if (!client)
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    return client_set_locality(client, locality) ? TSS2_RC_SUCCESS : RM_RC_LOCALITY;
}

void server_change(struct server *server, const struct server_change *change)
{
    newcomers_change(&server->newcomers, change->max_connections, change->rules);
    managed_tpm_change(&server->managed, change->release_ms);
    clients_set_policies(&server->clients, policies_reference(change->policies));
}

void server_set_bus(struct server *server, const char *bus)
{
    if (bus != server->kept.bus)
        snprintf(server->kept.bus, sizeof(server->kept.bus), "%s", bus);
    succession_set_bus(&server->kept.succession, &server->newcomers.seats, server->kept.bus);
}

void server_survey(struct server *server, struct survey *survey)
{
    surveys_add(&server->surveys, survey);
}

uint32_t server_open_trace(struct server *server, struct trace_reader *reader)
{
    return trace_readers_add(&server->dispatch.readers, reader);
}

uint32_t server_disconnect(struct server *server, uint64_t number)
{
    struct client *client = clients_find_number(&server->clients, number);

    if (!client)
        return TSS2_TCTI_RC_BAD_VALUE;
    log_event(LOG_EVENT_CONNECTION_ENDED, client_about(client),
              "connection %" PRIu64 " of user %" PRIu32 " is ended by an administrator", number,
              client->uid);
    if (client->command == CLIENT_COMMAND_SUBMITTED)
        tpm_link_cancel(&server->managed.link);
    client_close(client);
    return TSS2_RC_SUCCESS;
}

uint32_t server_flush_idle(struct server *server)
{
    if (!server_may_ask(server))
        return TSS2_TCTI_RC_TRY_AGAIN;
    managed_tpm_order(&server->managed);
    return TSS2_RC_SUCCESS;
}

void server_suspend(struct server *server)
{
    switch (server->phase) {
    case SERVER_STARTING:
        server->suspend_at_start = true;
        break;
    case SERVER_SERVING:
    case SERVER_SUSPENDING:
    case SERVER_SUSPENDED:
        server->phase = SERVER_SUSPENDING;
        break;
    case SERVER_HANDING_OVER:
        break;
    case SERVER_HANDED_OVER:
    case SERVER_FAILED:
    case SERVER_STOPPING:
        server->events.suspended(server->events.data);
        break;
    }
}

void server_resume(struct server *server)
{
    server->suspend_at_start = false;
    if (server->phase == SERVER_SUSPENDING || server->phase == SERVER_SUSPENDED)
        server->phase = SERVER_SERVING;
}

void server_hand_over(struct server *server, int within)
{
    if (server_phase_ends(server->phase) || server->phase == SERVER_FAILED)
        return;
    ending_begin(&server->ending, within, SERVER_HAND_OVER_PATIENCE_MS);
    server->phase = SERVER_HANDING_OVER;
    acceptor_rest(&server->acceptor);
}

void server_stop(struct server *server, int within)
{
    if (server->phase == SERVER_STOPPING)
        return;
    server->phase = SERVER_STOPPING;
    ending_begin(&server->ending, within, SERVER_STOP_PATIENCE_MS);
    newcomers_close(&server->newcomers);
    acceptor_close(&server->acceptor);
}
