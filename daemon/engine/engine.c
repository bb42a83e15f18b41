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

/* One event of each client that there is, and of the others: all that happened, so that the next
 * turn goes to the right client, but not more than that, for something may always happen. */
static unsigned engine_rounds(const struct engine *engine)
{
    return engine->clients.count / LOOP_EVENTS + 1;
}

/* Both functions run inside of a TPM command. Each call does a bounded part of what there is to do,
 * and then the TPM's answer is looked for again. */
static void engine_waiter_serve(void *data)
{
    struct engine *engine = data;

    loop_run_nested(&engine->loop);
    control_channel_scan_all(&engine->channel);
    if (engine->stopping && !engine->stop_canceled
        && clock_left(engine->stop_at, ENGINE_STOP_MS)
               <= ENGINE_STOP_MS - ENGINE_STOP_PATIENCE_MS) {
        engine->stop_canceled = true;
        tcti_cancel(engine->tcti);
    }
}

static int engine_waiter_timeout(void *data)
{
    struct engine *engine = data;
    bool more = scheduler_scans(&engine->scheduler);
    int left;

    if (!engine->stopping)
        return more ? 0 : -1;
    left = clock_left(engine->stop_at, ENGINE_STOP_MS);
    if (left == 0)
        return TCTI_GIVE_UP;
    if (!engine->stop_canceled)
        left -= ENGINE_STOP_MS - ENGINE_STOP_PATIENCE_MS;
    return left > 0 && !more ? left : 0;
}

static bool engine_serves(const struct engine *engine)
{
    return engine->rm && !engine->failed && engine->sleep == ENGINE_AWAKE;
}

static int engine_sooner(int timeout, int left)
{
    return timeout < 0 || left < timeout ? left : timeout;
}

/* Milliseconds until the loop has to look after something by itself. */
static int engine_timeout(const struct engine *engine)
{
    int timeout = -1;

    if (engine_serves(engine) ? scheduler_waiting(&engine->scheduler)
                              : scheduler_scans(&engine->scheduler))
        return 0;
    if (engine->sleep == ENGINE_FALLING_ASLEEP)
        return 0;
    if (engine->idle_pending && engine->sleep == ENGINE_AWAKE)
        timeout = device_clean_up_left(engine);
    if (engine->rm && !engine->failed && !tcti_is_open(engine->tcti))
        timeout = engine_sooner(timeout, clock_left(engine->reopen_at, engine->reopen_wait_ms));
    if (door_left(engine) >= 0)
        timeout = engine_sooner(timeout, door_left(engine));
    return timeout;
}

void engine_reap(struct engine *engine)
{
    struct client_end end;

    while (clients_reap(&engine->clients, &end)) {
        if (end.heard)
            device_touch(engine);
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

    if (client_prepare(client, engine->rm) && !heard && client->origin == CLIENT_FROM_BUS)
        engine->events.client_heard(engine->events.data, client->id);
}

/* Serves the client whose turn it is, if it is anybody's. */
static void engine_serve(struct engine *engine)
{
    struct client *client = dispatch_begin(&engine->dispatch);

    if (!client)
        return;
    if (client->command == CLIENT_COMMAND_READ)
        engine_prepare(engine, client);
    dispatch_run(&engine->dispatch, engine->rm);
    device_settle(engine);
    device_touch(engine);
    dispatch_end(&engine->dispatch);
}

static void engine_loop(struct engine *engine)
{
    while (!engine->stopping) {
        device_mind(engine);
        door_mind(engine);
        loop_run(&engine->loop, engine_timeout(engine), engine_rounds(engine));
        engine_reap(engine);
        if (engine->stopping)
            break;
        if (engine_serves(engine)) {
            device_settle(engine);
            engine_serve(engine);
        } else {
            control_channel_scan_all(&engine->channel);
        }
        engine_reap(engine);
        if (engine->sleep != ENGINE_ASLEEP)
            device_clean_up(engine);
    }
}

/* Gives everything back. Clients go first, so that their sessions are flushed and not saved. */
static void engine_close(struct engine *engine)
{
    clients_close(&engine->clients);
    engine_reap(engine);
    device_give_back(engine);
    orders_refuse(engine);
}

static void *engine_main(void *data)
{
    struct engine *engine = data;

    pthread_setname_np(pthread_self(), "engine");
    device_take(engine);
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

static int engine_init(struct engine *engine)
{
    struct tcti_waiter waiter = {
        .serve = engine_waiter_serve, .timeout = engine_waiter_timeout, .data = engine};
    int error = mailbox_init(&engine->mailbox);

    if (error)
        return error;
    error = loop_init(&engine->loop);
    if (error)
        return error;
    engine->mailbox_watch.happened = engine_mailbox_happened;
    error = loop_watch(&engine->loop, &engine->mailbox_watch, engine->mailbox.fd, EPOLLIN);
    if (error)
        return error;
    waiter.fd = engine->loop.fd;
    engine->tcti = tcti_new(&waiter);
    if (!engine->tcti)
        return -errno;
    engine->channel = (struct control_channel){&engine->clients, engine->tcti};
    dispatch_init(&engine->dispatch, &engine->clients, &engine->channel);
    return engine_start(engine);
}

static void engine_init_lists(struct engine *engine)
{
    scheduler_init(&engine->scheduler, client_warmth);
    clients_init(&engine->clients, &engine->loop, &engine->scheduler, &engine->admission);
    list_init(&engine->doubtful);
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
    engine->conf = strdup(config->tcti);
    engine->name = strdup(config->name);
    engine->runtime_dir = config->runtime_dir ? strdup(config->runtime_dir) : NULL;
    engine->sys = strdup(config->sys ? config->sys : KERNEL_SYS);
    engine->dev = strdup(config->dev ? config->dev : NEIGHBOURS_DEV);
    engine->limits = config->limits;
    engine->reserve = config->reserve;
    engine->idle_release_ms = config->idle_release_ms;
    engine->patience_ms = config->accounts.patience_ms;
    engine->sleep_untold = config->sleep_untold;
    engine->flush_all = config->flush_all;
    engine->high_uids =
        engine_copy_uids(config->high_uids, config->high_count, &engine->high_count);
    engine->low_uids = engine_copy_uids(config->low_uids, config->low_count, &engine->low_count);
    neighbours_init(&engine->neighbours, engine->sys, engine->dev);
    return engine->conf && engine->name && engine->sys && engine->dev
           && (engine->runtime_dir || !config->runtime_dir)
           && engine->high_count == config->high_count && engine->low_count == config->low_count;
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
    engine_init_lists(engine);
    engine->listener = listener;
    error = engine_configure(engine, config) && engine_open_accounts(engine, config)
                ? engine_init(engine)
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
    tcti_free(engine->tcti);
    listener_free(engine->listener);
    loop_clear(&engine->loop);
    mailbox_clear(&engine->mailbox);
    admission_clear(&engine->admission);
    dispatch_clear(&engine->dispatch);
    free(engine->conf);
    free(engine->name);
    free(engine->runtime_dir);
    free(engine->sys);
    free(engine->dev);
    free(engine->high_uids);
    free(engine->low_uids);
    free(engine);
}

bool engine_alive(struct engine *engine)
{
    int64_t since = tcti_busy_since(engine->tcti);

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
