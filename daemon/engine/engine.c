/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* How long after engine_stop() the running command is left alone before it is canceled. */
#define ENGINE_STOP_PATIENCE_MS 10000

/* Quiet time before the TPM is cleaned up where it is never left empty. */
#define ENGINE_TIDY_MS 250

/* Pauses between attempts to open a lost TPM. */
#define ENGINE_REOPEN_FIRST_MS 100
#define ENGINE_REOPEN_LONG_MS  5000

int64_t engine_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void engine_touch(struct engine *engine)
{
    int quiet = engine->idle_release_ms;

    engine->idle_pending = true;
    engine->idle_at = engine_now() + (quiet == ENGINE_IDLE_NEVER ? ENGINE_TIDY_MS : quiet);
}

/* Both functions run inside of a TPM command. */
static void engine_waiter_serve(void *data)
{
    struct engine *engine = data;

    orders_serve(engine);
    if (engine->stopping && !engine->stop_canceled
        && engine_now() >= engine->stop_at - ENGINE_STOP_MS + ENGINE_STOP_PATIENCE_MS) {
        engine->stop_canceled = true;
        tcti_cancel(engine->tcti);
    }
}

static int engine_waiter_timeout(void *data)
{
    struct engine *engine = data;
    int64_t left;

    if (!engine->stopping)
        return -1;
    left = engine->stop_at - engine_now();
    if (left <= 0)
        return TCTI_GIVE_UP;
    if (!engine->stop_canceled)
        left -= ENGINE_STOP_MS - ENGINE_STOP_PATIENCE_MS;
    return left > 0 ? (int)left : 0;
}

static void engine_fail(struct engine *engine, enum tpm_fault fault, const char *text)
{
    if (engine->failed)
        return;
    engine->failed = true;
    engine->events.failed(engine->events.data, fault, text);
}

static void engine_fail_memory(struct engine *engine)
{
    engine_fail(engine, TPM_FAULT_RESOURCES, "no memory to start with");
}

/* Takes the TPM over: started, free of what a former daemon left, its properties in *chip. */
static bool engine_take_over(struct engine *engine, struct chip *chip)
{
    struct rm_tpm *tpm = tcti_tpm(engine->tcti);
    char text[TPM_FAULT_TEXT];
    enum chip_error error;
    unsigned flushed = 0;
    int64_t detail = 0;

    error = chip_startup(tpm, &detail);
    if (!error)
        error = chip_flush_leftovers(tpm, engine->flush_all, &flushed, &detail);
    if (!error)
        error = chip_read(chip, tpm, &detail);
    if (error) {
        enum tpm_fault fault = tpm_fault_chip(engine->conf, error, detail, text);

        engine_fail(engine, fault, text);
        return false;
    }
    if (flushed)
        log_info("flushed %u leftovers of a former user of the TPM", flushed);
    log_info("TPM \"%s\": slots for %u objects and %u sessions, commands up to %u bytes",
             engine->conf, chip->object_slots, chip->session_slots, chip->max_command);
    return true;
}

static bool engine_make_rm(struct engine *engine, const struct chip *chip)
{
    engine->rm = rm_new(tcti_tpm(engine->tcti), chip, &engine->limits);
    if (!engine->rm)
        return false;
    engine->command_capacity = rm_command_capacity(engine->rm);
    engine->response_capacity = rm_response_capacity(engine->rm);
    engine->command = calloc(1, engine->command_capacity);
    engine->response = calloc(1, engine->response_capacity);
    return engine->command && engine->response;
}

static void engine_open(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];
    struct chip chip;
    uint32_t rc = tcti_open(engine->tcti, engine->conf);

    if (rc) {
        enum tpm_fault fault = tpm_fault_open(engine->conf, rc, text);

        engine_fail(engine, fault, text);
        return;
    }
    if (!engine_take_over(engine, &chip))
        return;
    if (!engine_make_rm(engine, &chip)) {
        engine_fail_memory(engine);
        return;
    }
    if (tcti_blocks(engine->tcti))
        log_info("TPM \"%s\" has no poll handles: a running command cannot be interrupted",
                 engine->conf);
    engine->events.ready(engine->events.data);
}

/* Tries to get a TPM back whose transport broke. */
static void engine_mind_tpm(struct engine *engine)
{
    char text[TPM_FAULT_TEXT];
    int64_t now;

    if (!engine->rm || engine->failed)
        return;
    if (tcti_is_open(engine->tcti)) {
        if (engine->reopen_wait_ms && !rm_tpm_lost(engine->rm)) {
            log_info("the TPM \"%s\" is back", engine->conf);
            engine->reopen_wait_ms = 0;
        }
        return;
    }
    now = engine_now();
    if (engine->reopen_wait_ms == 0) {
        log_warning("the TPM \"%s\" does not answer any more; trying to open it again",
                    engine->conf);
        engine->reopen_wait_ms = ENGINE_REOPEN_FIRST_MS;
        engine->reopen_at = now;
    }
    if (now < engine->reopen_at)
        return;
    if (tpm_fault_device_gone(engine->conf, text)) {
        engine_fail(engine, TPM_FAULT_GONE, text);
        return;
    }
    tcti_open(engine->tcti, engine->conf);
    engine->reopen_at = engine_now() + engine->reopen_wait_ms;
    if (engine->reopen_wait_ms < ENGINE_REOPEN_LONG_MS)
        engine->reopen_wait_ms *= 2;
}

static bool engine_has_tpm(const struct engine *engine)
{
    return engine->rm && tcti_is_open(engine->tcti) && !rm_tpm_lost(engine->rm);
}

/* One chip command of cleaning up, if it is time for that. */
static void engine_clean_up(struct engine *engine)
{
    bool asleep = engine->sleep == ENGINE_FALLING_ASLEEP;

    if (!asleep
        && (!engine->idle_pending || scheduler_waiting(&engine->scheduler)
            || engine_now() < engine->idle_at))
        return;
    engine->idle_pending =
        engine_has_tpm(engine)
        && rm_idle(engine->rm, asleep || engine->idle_release_ms != ENGINE_IDLE_NEVER);
    /* What was ordered meanwhile may have put an end to falling asleep. */
    if (engine->sleep == ENGINE_FALLING_ASLEEP && asleep && !engine->idle_pending) {
        engine->sleep = ENGINE_ASLEEP;
        engine->events.suspended(engine->events.data);
    }
}

static bool engine_serves(const struct engine *engine)
{
    return engine->rm && !engine->failed && engine->sleep == ENGINE_AWAKE;
}

/* Milliseconds until the loop has to look after something by itself. */
static int engine_timeout(const struct engine *engine)
{
    int64_t now, at = INT64_MAX;

    if (engine_serves(engine) && scheduler_waiting(&engine->scheduler))
        return 0;
    if (engine->sleep == ENGINE_FALLING_ASLEEP)
        return 0;
    if (engine->idle_pending && engine->sleep == ENGINE_AWAKE)
        at = engine->idle_at;
    if (engine->rm && !engine->failed && !tcti_is_open(engine->tcti)) {
        int64_t reopen = engine->reopen_wait_ms ? engine->reopen_at : 0;

        at = reopen < at ? reopen : at;
    }
    if (at == INT64_MAX)
        return -1;
    now = engine_now();
    return at > now ? (int)(at - now) : 0;
}

/* Takes in what happened to the descriptors since the last time. All of it, so that the next turn
 * goes to the right client: each edge is told once, so this ends. */
static void engine_poll(struct engine *engine)
{
    struct epoll_event events[ENGINE_EVENTS];
    int timeout = engine_timeout(engine), count;

    do {
        count = epoll_wait(engine->epoll_fd, events, ENGINE_EVENTS, timeout);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &engine->control)
                orders_serve(engine);
            else
                serve_event(engine, events[i].data.ptr, events[i].events);
        }
        timeout = 0;
    } while (count == ENGINE_EVENTS);
    serve_bury(engine);
}

static void engine_loop(struct engine *engine)
{
    while (!engine->stopping) {
        engine_mind_tpm(engine);
        engine_poll(engine);
        if (engine->stopping)
            break;
        if (engine_serves(engine))
            serve_next(engine);
        serve_bury(engine);
        if (engine->sleep != ENGINE_ASLEEP)
            engine_clean_up(engine);
    }
}

/* Gives everything back. Clients go first, so that their sessions are flushed and not saved. */
static void engine_close(struct engine *engine)
{
    for (unsigned i = 0; i < ENGINE_BUCKETS; i++)
        list_for_each (it, &engine->clients[i])
            serve_drop(engine, list_entry(it, struct engine_client, link));
    serve_bury(engine);
    while (engine_has_tpm(engine) && engine_now() < engine->stop_at && rm_idle(engine->rm, true))
        ;
    rm_free(engine->rm);
    engine->rm = NULL;
    tcti_close(engine->tcti);
    orders_refuse(engine);
}

static void *engine_main(void *data)
{
    struct engine *engine = data;

    pthread_setname_np(pthread_self(), "engine");
    engine_open(engine);
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
    struct epoll_event event = {EPOLLIN, {.ptr = &engine->control}};
    struct tcti_waiter waiter = {
        .serve = engine_waiter_serve, .timeout = engine_waiter_timeout, .data = engine};
    int error = control_init(&engine->control);

    if (error)
        return error;
    waiter.fd = engine->control.fd;
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (engine->epoll_fd < 0
        || epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, engine->control.fd, &event) < 0)
        return -errno;
    engine->tcti = tcti_new(&waiter);
    if (!engine->tcti || !engine->conf)
        return -ENOMEM;
    return engine_start(engine);
}

struct engine *engine_new(const struct engine_config *config, const struct engine_events *events)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int error;

    if (!engine)
        return NULL;
    engine->events = *events;
    engine->conf = strdup(config->tcti);
    engine->limits = config->limits;
    engine->idle_release_ms = config->idle_release_ms;
    engine->flush_all = config->flush_all;
    engine->control.fd = engine->epoll_fd = -1;
    engine->stop.head.kind = ENGINE_ORDER_STOP;
    atomic_flag_clear(&engine->stop_sent);
    scheduler_init(&engine->scheduler);
    list_init(&engine->dead);
    list_init(&engine->control.messages);
    for (unsigned i = 0; i < ENGINE_BUCKETS; i++)
        list_init(&engine->clients[i]);
    error = engine_init(engine);
    if (error) {
        engine_free(engine);
        errno = -error;
        return NULL;
    }
    return engine;
}

void engine_stop(struct engine *engine)
{
    if (!atomic_flag_test_and_set(&engine->stop_sent))
        control_put(&engine->control, &engine->stop.head, true);
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    if (engine->started) {
        pthread_join(engine->thread, NULL);
        orders_refuse(engine);
    }
    scheduler_clear(&engine->scheduler);
    tcti_free(engine->tcti);
    if (engine->epoll_fd >= 0)
        close(engine->epoll_fd);
    control_clear(&engine->control);
    free(engine->command);
    free(engine->response);
    free(engine->conf);
    free(engine);
}

static int engine_post(struct engine *engine, const struct engine_message *message, bool urgent)
{
    struct engine_message *copy = malloc(sizeof(*copy));
    int error;

    if (!copy)
        return -ENOMEM;
    *copy = *message;
    error = control_put(&engine->control, &copy->head, urgent);
    if (error)
        free(copy);
    return error;
}

int engine_connect(struct engine *engine, uint64_t id, uint32_t uid, int fd)
{
    struct engine_client *client = calloc(1, sizeof(*client));
    struct engine_message message = {.head.kind = ENGINE_ORDER_CONNECT, .client = client};
    int error;

    if (!client)
        return -ENOMEM;
    client->id = id;
    client->uid = uid;
    client_io_init(&client->io, fd);
    error = engine_post(engine, &message, false);
    if (error)
        free(client);
    return error;
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

int engine_suspend(struct engine *engine)
{
    struct engine_message message = {.head.kind = ENGINE_ORDER_SUSPEND};

    return engine_post(engine, &message, true);
}

int engine_resume(struct engine *engine)
{
    struct engine_message message = {.head.kind = ENGINE_ORDER_RESUME};

    return engine_post(engine, &message, true);
}
