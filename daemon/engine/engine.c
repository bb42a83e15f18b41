/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* How long after engine_stop() the running command is left alone before it is canceled. */
#define ENGINE_STOP_PATIENCE_MS 10000

static void engine_mailbox_happened(struct watch *watch, uint32_t events)
{
    (void)events;
    orders_serve(list_entry(watch, struct engine, mailbox_watch));
}

/* When the running command is to be canceled, as the engine stops; milliseconds from now. */
static int engine_cancel_left(const struct engine *engine)
{
    return clock_left(engine->stop_at - (ENGINE_STOP_MS - ENGINE_STOP_PATIENCE_MS),
                      ENGINE_STOP_PATIENCE_MS);
}

/* Both functions run inside of a TPM command. Each call does a bounded part of what there is to do,
 * and then the TPM's answer is looked for again. */
static void engine_waiter_serve(void *data)
{
    struct engine *engine = data;

    loop_run_nested(&engine->loop);
    control_channel_scan_all(&engine->channel);
    if (engine->phase == ENGINE_STOPPING && !engine->stop_canceled
        && engine_cancel_left(engine) == 0) {
        engine->stop_canceled = true;
        tcti_cancel(engine->managed.link.tcti);
    }
}

static int engine_waiter_timeout(void *data)
{
    struct engine *engine = data;
    bool more = scheduler_scans(&engine->scheduler);

    if (engine->phase != ENGINE_STOPPING)
        return more ? 0 : -1;
    if (clock_left(engine->stop_at, ENGINE_STOP_MS) == 0)
        return TCTI_GIVE_UP;
    if (more)
        return 0;
    return engine->stop_canceled ? clock_left(engine->stop_at, ENGINE_STOP_MS)
                                 : engine_cancel_left(engine);
}

bool engine_lives(const struct engine *engine)
{
    switch (engine->phase) {
    case ENGINE_SERVING:
    case ENGINE_SUSPENDING:
    case ENGINE_SUSPENDED:
        return true;
    case ENGINE_STARTING:
    case ENGINE_FAILED:
    case ENGINE_STOPPING:
        break;
    }
    return false;
}

static void engine_fail(struct engine *engine, enum tpm_fault fault, const char *text)
{
    bool suspending = engine->phase == ENGINE_SUSPENDING || engine->suspend_at_start;

    if (engine->phase != ENGINE_STOPPING)
        engine->phase = ENGINE_FAILED;
    admission_set_open(&engine->admission, false);
    door_close(engine);
    engine->events.failed(engine->events.data, fault, text);
    if (suspending)
        engine->events.suspended(engine->events.data);
}

/* What commands are read into and answered from, as long as the manager needs it. */
static bool engine_make_buffers(struct engine *engine)
{
    const struct rm *rm = engine->managed.rm;

    return dispatch_open(&engine->dispatch, rm)
           && clients_set_capacity(&engine->clients, rm_command_capacity(rm));
}

/* Takes the TPM over; ready() or failed() tells how that went. */
static void engine_take(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];
    enum tpm_fault fault;

    if (!managed_tpm_take(&engine->managed, &fault, text)) {
        engine_fail(engine, fault, text);
        return;
    }
    if (!engine_make_buffers(engine) || !door_open(engine)) {
        engine_fail(engine, tpm_fault_memory(text), text);
        return;
    }
    if (engine->phase == ENGINE_STARTING)
        engine->phase = engine->suspend_at_start ? ENGINE_SUSPENDING : ENGINE_SERVING;
    admission_set_open(&engine->admission, true);
    engine->events.ready(engine->events.data);
}

/* More steps than there are slots. */
#define ENGINE_SETTLE_STEPS 1024

/* Makes the room again that a command took of what is kept for the TPM's other users. */
static void engine_settle(struct engine *engine)
{
    for (unsigned i = 0; i < ENGINE_SETTLE_STEPS && engine->phase != ENGINE_STOPPING; i++)
        if (!managed_tpm_settle(&engine->managed))
            return;
}

static void engine_tell_suspended(struct engine *engine, bool clean)
{
    if (!clean)
        log_warning("no memory to save what is loaded in the TPM before the machine sleeps: if the "
                    "TPM loses power, clients lose keys and sessions and must load them again");
    engine->phase = ENGINE_SUSPENDED;
    engine->events.suspended(engine->events.data);
}

/* One chip command of cleaning up, if it is time for that. */
static void engine_clean_up(struct engine *engine)
{
    bool suspending = engine->phase == ENGINE_SUSPENDING;
    enum idle_progress progress;

    if (engine->phase == ENGINE_SUSPENDED)
        return;
    if (!suspending && (!engine->managed.idle.due || scheduler_waiting(&engine->scheduler)))
        return;
    progress = managed_tpm_clean_up(&engine->managed, suspending);
    /* What was ordered meanwhile may have put an end to it. */
    if (suspending && engine->phase == ENGINE_SUSPENDING && progress != IDLE_MORE)
        engine_tell_suspended(engine, progress == IDLE_CLEAN);
}

void engine_reap(struct engine *engine)
{
    struct client_end end;

    while (clients_reap(&engine->clients, &end)) {
        if (end.heard)
            idle_touch(&engine->managed.idle);
        if (end.origin != CLIENT_FROM_BUS)
            continue;
        if (end.opened && !end.heard)
            engine->events.client_heard(engine->events.data, end.id);
        engine->events.client_gone(engine->events.data, end.id);
    }
}

/* Makes the resource manager's side of a client when its first command comes. */
static void engine_prepare(struct engine *engine, struct client *client)
{
    bool heard = client->rm;

    if (client_prepare(client, engine->managed.rm) && !heard && client->origin == CLIENT_FROM_BUS)
        engine->events.client_heard(engine->events.data, client->id);
}

/* Serves the client whose turn it is, if it is anybody's. */
static void engine_serve(struct engine *engine)
{
    struct client *client;

    engine_settle(engine);
    client = dispatch_begin(&engine->dispatch);
    if (!client)
        return;
    if (client->command == CLIENT_COMMAND_READ)
        engine_prepare(engine, client);
    dispatch_run(&engine->dispatch, engine->managed.rm);
    engine_settle(engine);
    idle_touch(&engine->managed.idle);
    dispatch_end(&engine->dispatch);
}

/* Milliseconds for which the loop may wait for what happens, its deadlines aside; -1 for ever. */
static int engine_timeout(const struct engine *engine)
{
    bool serving = engine->phase == ENGINE_SERVING;

    if (serving ? scheduler_waiting(&engine->scheduler) : scheduler_scans(&engine->scheduler))
        return 0;
    if (engine->phase == ENGINE_SUSPENDING || (serving && engine->managed.idle.due))
        return 0;
    return door_left(engine);
}

static void engine_loop(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];

    while (engine->phase != ENGINE_STOPPING) {
        if (engine_lives(engine) && !managed_tpm_poll(&engine->managed, text))
            engine_fail(engine, TPM_FAULT_GONE, text);
        door_mind(engine);
        engine_reap(engine);
        /* One event of each client that there is, and of the others: all that happened, so that the
         * next turn goes to the right client, but not more, for something may always happen. */
        loop_run(&engine->loop, engine_timeout(engine), engine->clients.count / LOOP_EVENTS + 1);
        engine_reap(engine);
        if (engine->phase == ENGINE_STOPPING)
            break;
        if (engine->phase == ENGINE_SERVING)
            engine_serve(engine);
        else
            control_channel_scan_all(&engine->channel);
        engine_reap(engine);
        engine_clean_up(engine);
    }
}

/* Leaves nothing of ours in the TPM, if it answers, and closes it. All clients must be gone. */
static void engine_give_back(struct engine *engine)
{
    bool in_time = true;

    while (in_time && managed_tpm_empty(&engine->managed))
        in_time = clock_left(engine->stop_at, ENGINE_STOP_MS) > 0;
    managed_tpm_give_back(&engine->managed, in_time);
}

/* Gives everything back. Clients go first, so that their sessions are flushed and not saved. */
static void engine_close(struct engine *engine)
{
    clients_close(&engine->clients);
    engine_reap(engine);
    engine_give_back(engine);
    orders_refuse(engine);
}

static void *engine_main(void *data)
{
    struct engine *engine = data;

    pthread_setname_np(pthread_self(), "engine");
    engine_take(engine);
    engine_loop(engine);
    engine_close(engine);
    engine->events.stopped(engine->events.data);
    return NULL;
}

/* Starts the thread with all signals blocked: they are the main thread's business. */
static int engine_start(struct engine *engine)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&engine->thread, NULL, engine_main, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    engine->started = !error;
    return -error;
}

static int engine_init_tpm(struct engine *engine, const struct engine_config *config)
{
    struct managed_tpm_config tpm = {
        .link.conf = config->tcti,
        .link.name = config->name,
        .link.runtime_dir = config->runtime_dir,
        .link.sys = config->sys ? config->sys : KERNEL_SYS,
        .link.flush_all = config->flush_all,
        .limits = config->limits,
        .reserve = config->reserve,
        .dev = config->dev ? config->dev : NEIGHBOURS_DEV,
        .release_ms = config->idle_release_ms,
        .sleep_untold = config->sleep_untold,
    };
    struct tcti_waiter waiter = {engine->loop.fd, engine_waiter_serve, engine_waiter_timeout,
                                 engine};

    return managed_tpm_init(&engine->managed, &engine->loop, &tpm, &waiter);
}

static int engine_init(struct engine *engine, const struct engine_config *config)
{
    int error = mailbox_init(&engine->mailbox);

    if (!error)
        error = loop_init(&engine->loop);
    engine->mailbox_watch.happened = engine_mailbox_happened;
    if (!error)
        error = loop_watch(&engine->loop, &engine->mailbox_watch, engine->mailbox.fd, EPOLLIN);
    if (!error)
        error = engine_init_tpm(engine, config);
    if (error)
        return error;
    engine->channel = (struct control_channel){&engine->clients, engine->managed.link.tcti};
    dispatch_init(&engine->dispatch, &engine->clients, &engine->channel);
    return engine_start(engine);
}

static uint32_t *engine_copy_uids(const uint32_t *uids, unsigned count, unsigned *copied)
{
    uint32_t *copy = count ? malloc(count * sizeof(*copy)) : NULL;

    if (copy)
        memcpy(copy, uids, count * sizeof(*copy));
    *copied = copy ? count : 0;
    return copy;
}

/* Copies the configuration; false without memory. */
static bool engine_configure(struct engine *engine, const struct engine_config *config)
{
    engine->patience_ms = config->accounts.patience_ms;
    engine->high_uids =
        engine_copy_uids(config->high_uids, config->high_count, &engine->high_count);
    engine->low_uids = engine_copy_uids(config->low_uids, config->low_count, &engine->low_count);
    return engine->high_count == config->high_count && engine->low_count == config->low_count;
}

/* On the thread that asks the user database. */
static void engine_account_told(void *data)
{
    struct engine *engine = data;

    mailbox_raise(&engine->mailbox, MAILBOX_ACCOUNT);
}

/* Users of another priority have accounts of their own, for their priority to be that of nobody
 * else. */
static bool engine_open_accounts(struct engine *engine, const struct engine_config *config)
{
    unsigned count = config->high_count + config->low_count;
    uint32_t *named = calloc(count + 1, sizeof(*named));

    if (!named)
        return false;
    for (unsigned i = 0; i < count; i++)
        named[i] = i < config->high_count ? config->high_uids[i]
                                          : config->low_uids[i - config->high_count];
    engine->accounts = accounts_new(&config->accounts, named, count, engine_account_told, engine);
    free(named);
    return engine->accounts;
}

struct engine *engine_new(const struct engine_config *config, const struct engine_events *events,
                          struct listener *listener)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int error;

    if (!engine)
        return NULL;
    error = admission_init(&engine->admission, config->max_connections,
                           config->max_connections_per_user);
    if (error) {
        free(engine);
        errno = -error;
        return NULL;
    }
    engine->events = *events;
    engine->mailbox.fd = engine->loop.fd = -1;
    scheduler_init(&engine->scheduler, client_warmth);
    clients_init(&engine->clients, &engine->loop, &engine->scheduler, &engine->admission);
    list_init(&engine->doubtful);
    engine->listener = listener;
    error = engine_configure(engine, config) && engine_open_accounts(engine, config)
                ? engine_init(engine, config)
                : -ENOMEM;
    if (error) {
        engine->listener = NULL;
        engine_free(engine);
        errno = -error;
        return NULL;
    }
    return engine;
}

void engine_stop(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_STOP);
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    if (engine->started)
        pthread_join(engine->thread, NULL);
    accounts_free(engine->accounts);
    if (engine->started)
        orders_refuse(engine);
    clients_clear(&engine->clients);
    scheduler_clear(&engine->scheduler);
    managed_tpm_clear(&engine->managed);
    listener_free(engine->listener);
    loop_clear(&engine->loop);
    mailbox_clear(&engine->mailbox);
    admission_clear(&engine->admission);
    dispatch_clear(&engine->dispatch);
    free(engine->high_uids);
    free(engine->low_uids);
    free(engine);
}

bool engine_alive(struct engine *engine)
{
    int64_t since = tcti_busy_since(engine->managed.link.tcti);

    if (mailbox_raise(&engine->mailbox, MAILBOX_PING))
        return true;
    return since != 0 && clock_now() - since < ENGINE_LONGEST_MS;
}

static int engine_post(struct engine *engine, const struct engine_message *message, bool urgent)
{
    struct engine_message *copy = malloc(sizeof(*copy));
    int error;

    if (!copy)
        return -ENOMEM;
    *copy = *message;
    error = mailbox_put(&engine->mailbox, &copy->head, urgent);
    if (error)
        free(copy);
    return error;
}

int engine_connect(struct engine *engine, uint64_t id, uint32_t uid, int fd)
{
    struct engine_message *message = calloc(1, sizeof(*message));
    int error;

    if (!message)
        return -ENOMEM;
    error = door_admit(engine, uid, fd, &message->client);
    if (error) {
        free(message);
        return error;
    }
    message->client->id = id;
    message->head.kind = ENGINE_ORDER_CONNECT;
    /* There are no more of these than there may be connections. */
    mailbox_put(&engine->mailbox, &message->head, true);
    return 0;
}

uint32_t engine_account(struct engine *engine, uint32_t uid)
{
    uint32_t account;

    return accounts_find(engine->accounts, uid, clock_now(), &account) ? account
                                                                       : account_unknown(uid);
}

int engine_cancel(struct engine *engine, uint64_t id, void *token)
{
    struct engine_message message = {.head.kind = ENGINE_ORDER_CANCEL, .id = id, .token = token};

    return engine_post(engine, &message, false);
}

int engine_set_locality(struct engine *engine, uint64_t id, uint8_t locality, void *token)
{
    struct engine_message message = {
        .head.kind = ENGINE_ORDER_LOCALITY, .id = id, .token = token, .locality = locality};

    return engine_post(engine, &message, false);
}

int engine_query(struct engine *engine, void *token)
{
    struct engine_message message = {.head.kind = ENGINE_ORDER_QUERY, .token = token};

    return engine_post(engine, &message, false);
}

void engine_suspend(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_SLEEP);
}

void engine_resume(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_WAKE);
}
