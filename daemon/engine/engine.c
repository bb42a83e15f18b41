/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine.h"

#include "base/clock.h"
#include "engine/mailbox.h"
#include "engine/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <tss2/tss2_tcti.h>

/* How many messages are carried out in a row. The descriptor of the mailbox stays readable while
 * there are more. */
#define ENGINE_BATCH 64

struct engine {
    struct mailbox mailbox; /* any thread's */
    struct watch watch;     /* of it */
    struct server server;   /* the thread's own, once it runs */
    pthread_t thread;
};

/* What another thread wants of a client, or to know. */
struct engine_message {
    struct mailbox_message head;
    /* Gives the answer's code; NULL with one of the next three. */
    uint32_t (*execute)(struct server *server, const struct engine_message *message);
    struct client *client; /* to be welcomed; there is no answer */
    struct survey *survey; /* to be begun */
    struct trace_reader *reader;
    uint64_t id; /* or its number */
    uint8_t locality;
    struct server_change change;
    char bus[sizeof(((struct server_kept *)0)->bus)]; /* instead of a client; there is no answer */
    void *token;
};

static void engine_message_free(struct engine_message *message)
{
    policies_unreference(message->change.policies);
    free(message->survey);
    trace_reader_free(message->reader);
    free(message);
}

static void engine_refuse_one(struct engine *engine, struct engine_message *message)
{
    rules_unreference(message->change.rules);
    server_answer(&engine->server, message->token, TSS2_TCTI_RC_NO_CONNECTION, NULL);
}

static void engine_execute(struct engine *engine, struct engine_message *message)
{
    uint32_t rc = message->execute(&engine->server, message);

    server_answer(&engine->server, message->token, rc, NULL);
}

/* The answer comes when the snapshot is made. */
static void engine_begin_survey(struct engine *engine, struct engine_message *message)
{
    server_survey(&engine->server, message->survey);
    message->survey = NULL;
}

static void engine_begin_trace(struct engine *engine, struct engine_message *message)
{
    uint32_t rc = server_open_trace(&engine->server, message->reader);

    if (rc == TSS2_RC_SUCCESS)
        message->reader = NULL;
    server_answer(&engine->server, message->token, rc, NULL);
}

/* Carries a message out, or refuses it: then a client that it has is closed. */
static void engine_carry_out(struct engine *engine, struct engine_message *message, bool refuse)
{
    if (message->client)
        server_welcome(&engine->server, message->client);
    else if (message->bus[0])
        server_set_bus(&engine->server, message->bus);
    else if (refuse)
        engine_refuse_one(engine, message);
    else if (message->survey)
        engine_begin_survey(engine, message);
    else if (message->reader)
        engine_begin_trace(engine, message);
    else
        engine_execute(engine, message);
    engine_message_free(message);
}

static void engine_follow(struct engine *engine, unsigned flags)
{
    if (flags & MAILBOX_SLEEP)
        server_suspend(&engine->server);
    if (flags & MAILBOX_WAKE)
        server_resume(&engine->server);
    if (flags & MAILBOX_ACCOUNT)
        newcomers_settle(&engine->server.newcomers);
    if (flags & MAILBOX_HAND_OVER)
        server_hand_over(&engine->server, ENGINE_HAND_OVER_MS);
    if (flags & MAILBOX_STOP)
        server_stop(&engine->server, ENGINE_STOP_MS);
}

static struct engine_message *engine_take(struct engine *engine)
{
    struct mailbox_message *message = mailbox_take(&engine->mailbox);

    return message ? list_entry(message, struct engine_message, head) : NULL;
}

/* Also inside of a TPM command. */
static void engine_mailbox_happened(struct watch *watch, uint32_t events)
{
    struct engine *engine = list_entry(watch, struct engine, watch);

    (void)events;
    for (unsigned i = 0; i < ENGINE_BATCH; i++) {
        struct engine_message *message = engine_take(engine);

        if (!message)
            break;
        engine_carry_out(engine, message, false);
    }
    engine_follow(engine, mailbox_take_flags(&engine->mailbox));
}

/* The server has ended: refuses what is in the mailbox. */
static void engine_refuse(struct engine *engine)
{
    struct engine_message *message;

    while ((message = engine_take(engine)))
        engine_carry_out(engine, message, true);
    server_reap(&engine->server);
    engine_follow(engine, mailbox_take_flags(&engine->mailbox) & MAILBOX_SLEEP);
}

/*
 * Says that nobody cancels this thread. Some C libraries ask for the state, and others for the
 * type, before they mark each system call that may wait as one in which the thread can be canceled;
 * that takes two locked instructions for each call.
 */
static void engine_is_not_canceled(void)
{
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
}

static void *engine_main(void *data)
{
    struct engine *engine = data;

    pthread_setname_np(pthread_self(), "engine"); /* `tabrmctl doctor` knows tabrmd by it */
    engine_is_not_canceled();
    server_run(&engine->server);
    engine_refuse(engine);
    engine->server.events.stopped(engine->server.events.data);
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
    return -error;
}

/* On the thread that asks the user database. */
static void engine_account_told(void *data)
{
    struct engine *engine = data;

    mailbox_raise(&engine->mailbox, MAILBOX_ACCOUNT);
}

static struct server_config engine_server_config(const struct engine_config *config)
{
    return (struct server_config){
        .tpm.link.conf = config->tcti,
        .tpm.link.name = config->name,
        .tpm.link.runtime_dir = config->runtime_dir,
        .tpm.link.sys = config->sys ? config->sys : KERNEL_SYS,
        .tpm.link.flush_all = config->flush_all,
        .tpm.limits = config->rules.limits,
        .tpm.reserve = config->reserve,
        .tpm.dev = config->dev ? config->dev : NEIGHBOURS_DEV,
        .tpm.release_ms = config->idle_release_ms,
        .tpm.sleep_untold = config->sleep_untold,
        .newcomers.accounts = config->accounts,
        .newcomers.max_connections = config->max_connections,
        .newcomers.rules = config->rules,
        .policies = config->policies,
        .keeper = config->keeper,
        .passed = config->passed,
    };
}

/* Makes the server and starts its thread. 0, or a negative errno: then the listener is the
 * caller's. */
static int engine_init(struct engine *engine, const struct engine_config *config,
                       const struct engine_events *events, struct listener *listener)
{
    struct server_config server = engine_server_config(config);
    int error =
        server_init(&engine->server, &server, events, listener, engine_account_told, engine);

    if (error)
        return error;
    engine->watch.happened = engine_mailbox_happened;
    error = loop_watch(&engine->server.loop, &engine->watch, engine->mailbox.fd, EPOLLIN);
    if (!error)
        error = engine_start(engine);
    if (error) {
        engine->server.acceptor.listener = NULL;
        server_clear(&engine->server);
    }
    return error;
}

struct engine *engine_new(const struct engine_config *config, const struct engine_events *events,
                          struct listener *listener)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int error;

    if (!engine)
        return NULL;
    error = mailbox_init(&engine->mailbox);
    if (!error)
        error = engine_init(engine, config, events, listener);
    if (!error)
        return engine;
    mailbox_clear(&engine->mailbox);
    free(engine);
    errno = -error;
    return NULL;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    pthread_join(engine->thread, NULL);
    engine_refuse(engine);
    server_clear(&engine->server);
    mailbox_clear(&engine->mailbox);
    free(engine);
}

void engine_stop(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_STOP);
}

void engine_hand_over(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_HAND_OVER);
}

bool engine_alive(struct engine *engine)
{
    int64_t since = tpm_link_busy_since(&engine->server.managed.link);

    if (mailbox_raise(&engine->mailbox, MAILBOX_PING))
        return true;
    return since != 0 && clock_now() - since < ENGINE_LONGEST_MS;
}

void engine_suspend(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_SLEEP);
}

void engine_resume(struct engine *engine)
{
    mailbox_raise(&engine->mailbox, MAILBOX_WAKE);
}

uint32_t engine_account(struct engine *engine, uint32_t uid)
{
    return newcomers_account(&engine->server.newcomers, uid);
}

int engine_connect(struct engine *engine, uint64_t id, uint32_t uid, uint32_t pid,
                   const struct peer_groups *groups, int fd)
{
    struct engine_message *message = calloc(1, sizeof(*message));
    struct seat_holder holder = {.id = id, .uid = uid, .pid = pid, .groups = groups};
    int error;

    if (!message)
        return -ENOMEM;
    error = newcomers_admit(&engine->server.newcomers, &holder, fd, &message->client);
    if (error) {
        free(message);
        return error;
    }
    peer_of_process(&message->client->record.peer, pid);
    /* There are no more of these than there may be connections. */
    mailbox_put(&engine->mailbox, &message->head, true);
    return 0;
}

static int engine_post(struct engine *engine, const struct engine_message *message)
{
    struct engine_message *copy = malloc(sizeof(*copy));
    int error;

    if (!copy)
        return -ENOMEM;
    *copy = *message;
    error = mailbox_put(&engine->mailbox, &copy->head, false);
    if (error)
        free(copy);
    return error;
}

void engine_set_creator(struct engine *engine, uint64_t id, const char *creator)
{
    seats_set_creator(&engine->server.newcomers.seats, id, creator);
}

int engine_set_bus(struct engine *engine, const char *bus)
{
    struct engine_message message = {0};

    snprintf(message.bus, sizeof(message.bus), "%s", *bus ? bus : "?");
    return engine_post(engine, &message);
}

static uint32_t engine_execute_cancel(struct server *server, const struct engine_message *message)
{
    return server_cancel(server, message->id);
}

int engine_cancel(struct engine *engine, uint64_t id, void *token)
{
    struct engine_message message = {.execute = engine_execute_cancel, .id = id, .token = token};

    return engine_post(engine, &message);
}

static uint32_t engine_execute_locality(struct server *server, const struct engine_message *message)
{
    return server_set_locality(server, message->id, message->locality);
}

int engine_set_locality(struct engine *engine, uint64_t id, uint8_t locality, void *token)
{
    struct engine_message message = {
        .execute = engine_execute_locality, .id = id, .token = token, .locality = locality};

    return engine_post(engine, &message);
}

/* Each answer has the status. */
static uint32_t engine_execute_query(struct server *server, const struct engine_message *message)
{
    (void)server;
    (void)message;
    return TSS2_RC_SUCCESS;
}

int engine_query(struct engine *engine, void *token)
{
    struct engine_message message = {.execute = engine_execute_query, .token = token};

    return engine_post(engine, &message);
}

int engine_survey(struct engine *engine, enum snapshot_kind kind, uint32_t account, void *token)
{
    struct survey *survey = calloc(1, sizeof(*survey));
    struct engine_message message = {.survey = survey, .token = token};
    int error;

    if (!survey)
        return -ENOMEM;
    survey->kind = kind;
    survey->account = account;
    survey->token = token;
    list_init(&survey->link);
    error = engine_post(engine, &message);
    if (error)
        free(survey);
    return error;
}

int engine_open_trace(struct engine *engine, const struct trace_filter *filter, int fd, void *token)
{
    uint32_t account = engine_account(engine, filter->viewer);
    struct engine_message message = {.reader = trace_reader_new(account, filter, fd),
                                     .token = token};
    int error = message.reader ? engine_post(engine, &message) : -ENOMEM;

    /* The socket is the caller's, then. */
    if (error)
        free(message.reader);
    return error;
}

static uint32_t engine_execute_disconnect(struct server *server,
                                          const struct engine_message *message)
{
    return server_disconnect(server, message->id);
}

int engine_disconnect(struct engine *engine, uint64_t number, void *token)
{
    struct engine_message message = {
        .execute = engine_execute_disconnect, .id = number, .token = token};

    return engine_post(engine, &message);
}

static uint32_t engine_execute_flush(struct server *server, const struct engine_message *message)
{
    (void)message;
    return server_flush_idle(server);
}

int engine_flush_idle(struct engine *engine, void *token)
{
    struct engine_message message = {.execute = engine_execute_flush, .token = token};

    return engine_post(engine, &message);
}

static uint32_t engine_execute_change(struct server *server, const struct engine_message *message)
{
    server_change(server, &message->change);
    return TSS2_RC_SUCCESS;
}

int engine_change(struct engine *engine, const struct engine_config *config, void *token)
{
    struct engine_message message = {
        .execute = engine_execute_change,
        .change = {.rules = rules_new(&config->rules),
                   .max_connections = config->max_connections,
                   .release_ms = config->idle_release_ms,
                   .policies = policies_new(&config->policies)},
        .token = token,
    };
    int error =
        message.change.rules && message.change.policies ? engine_post(engine, &message) : -ENOMEM;

    /* A message that was posted has the references. */
    if (error) {
        rules_unreference(message.change.rules);
        policies_unreference(message.change.policies);
    }
    return error;
}
