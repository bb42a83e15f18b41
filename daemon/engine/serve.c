/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "wire/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/*
 * Sockets are watched for edges, so a client that waits for its turn costs no wake-ups. Nothing is
 * lost by that: client_io remembers whether its socket may have more, and a client is marked as
 * ready whenever it has, and is not busy with taking a response.
 */
#define SERVE_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

static uint64_t serve_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int serve_add(struct engine *engine, struct engine_client *client)
{
    struct epoll_event event = {SERVE_EVENTS, {.ptr = client}};
    int error = scheduler_add(&engine->scheduler, &client->turn, client->uid);

    if (error)
        return error;
    if (epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, client->io.fd, &event) < 0) {
        error = -errno;
        scheduler_remove(&engine->scheduler, &client->turn);
        return error;
    }
    list_insert_before(&engine->clients[client->id % ENGINE_BUCKETS], &client->link);
    engine->client_count++;
    return 0;
}

void serve_client_free(struct engine_client *client)
{
    if (!client)
        return;
    rm_client_free(client->rm);
    client_io_clear(&client->io);
    free(client);
}

void serve_drop(struct engine *engine, struct engine_client *client)
{
    if (client->gone)
        return;
    client->gone = true;
    scheduler_remove(&engine->scheduler, &client->turn);
    list_remove(&client->link);
    list_insert_before(&engine->dead, &client->link);
    engine->client_count--;
}

void serve_bury(struct engine *engine)
{
    list_for_each (it, &engine->dead) {
        struct engine_client *client = list_entry(it, struct engine_client, link);
        uint64_t id = client->id;
        uint32_t uid = client->uid;

        list_remove(&client->link);
        if (client->rm)
            engine_touch(engine);
        serve_client_free(client);
        engine->events.client_gone(engine->events.data, id, uid);
    }
}

/* Asks epoll for room in the socket, or stops asking. */
static void serve_watch(struct engine *engine, struct engine_client *client)
{
    bool want = client_io_sending(&client->io);
    struct epoll_event event = {SERVE_EVENTS | (want ? EPOLLOUT : 0), {.ptr = client}};

    if (client->want_write == want)
        return;
    if (epoll_ctl(engine->epoll_fd, EPOLL_CTL_MOD, client->io.fd, &event) < 0)
        serve_drop(engine, client);
    client->want_write = want;
}

/* Puts a client that may do something in line, or lets it go. */
static void serve_line_up(struct engine *engine, struct engine_client *client)
{
    if (client->gone || client == engine->running || client_io_sending(&client->io))
        return;
    if (client->closing)
        serve_drop(engine, client);
    else if (client_io_readable(&client->io, engine->command_capacity))
        scheduler_ready(&engine->scheduler, &client->turn);
}

/* Sends a response; what the client does not take at once goes later. */
static void serve_answer(struct engine *engine, struct engine_client *client, const uint8_t *bytes,
                         size_t size)
{
    if (client_io_send(&client->io, bytes, size) < 0)
        serve_drop(engine, client);
    else
        serve_watch(engine, client);
}

static void serve_answer_code(struct engine *engine, struct engine_client *client, uint32_t code)
{
    uint8_t bytes[HEADER_SIZE];

    serve_answer(engine, client, bytes, response_build_code(bytes, code));
}

/* Reads the client's next command into `buffer`; deals with everything that is none. */
static bool serve_read(struct engine *engine, struct engine_client *client, uint8_t *buffer,
                       uint8_t **frame, size_t *size)
{
    switch (client_io_read(&client->io, buffer, engine->command_capacity, frame, size)) {
    case CLIENT_IO_FRAME:
        return true;
    case CLIENT_IO_AGAIN:
        break;
    case CLIENT_IO_BAD:
        client->closing = true;
        serve_answer_code(engine, client, RM_RC_COMMAND_SIZE);
        break;
    case CLIENT_IO_MEMORY:
        client->closing = true;
        serve_answer_code(engine, client, RM_RC_MEMORY);
        break;
    case CLIENT_IO_CLOSED:
        serve_drop(engine, client);
        break;
    }
    serve_line_up(engine, client);
    return false;
}

void serve_event(struct engine *engine, struct engine_client *client, uint32_t events)
{
    if (client->gone)
        return;
    /* Both directions are shut: nobody is there to take an answer. */
    if (events & (EPOLLHUP | EPOLLERR)) {
        serve_drop(engine, client);
        return;
    }
    if (events & EPOLLOUT && client_io_sending(&client->io)) {
        if (client_io_flush(&client->io) < 0)
            serve_drop(engine, client);
        else
            serve_watch(engine, client);
    }
    if (events & EPOLLRDHUP)
        client->io.ended = true;
    if (events & (EPOLLIN | EPOLLRDHUP))
        client->io.maybe_more = true;
    serve_line_up(engine, client);
}

/* Makes the resource manager's side of a client when its first command comes. */
static bool serve_prepare(struct engine *engine, struct engine_client *client)
{
    if (!client->rm) {
        client->rm = rm_client_new(engine->rm, client->uid);
        client->locality_changed = client->locality != 0;
    }
    if (client->rm && client->locality_changed) {
        rm_client_set_locality(client->rm, client->locality);
        client->locality_changed = false;
    }
    return client->rm != NULL;
}

static void serve_run(struct engine *engine, struct engine_client *client, uint8_t *frame,
                      size_t size)
{
    uint64_t started = serve_clock(), cost;
    size_t answer;

    engine->running = client;
    if (serve_prepare(engine, client))
        answer = rm_execute(engine->rm, client->rm, frame, size, engine->response);
    else
        answer = response_build_code(engine->response, RM_RC_MEMORY);
    engine->running = NULL;
    cost = serve_clock() - started;
    client_io_read_done(&client->io, frame, size);
    if (!client->gone) {
        scheduler_charge(&engine->scheduler, &client->turn, cost);
        serve_answer(engine, client, engine->response, answer);
    }
    explicit_bzero(engine->response, answer);
    serve_line_up(engine, client);
}

void serve_next(struct engine *engine)
{
    struct scheduler_client *turn = scheduler_pick(&engine->scheduler);
    struct engine_client *client;
    uint8_t *frame;
    size_t size;

    if (!turn)
        return;
    client = list_entry(turn, struct engine_client, turn);
    if (!serve_read(engine, client, engine->command, &frame, &size))
        return;
    serve_run(engine, client, frame, size);
    engine_touch(engine);
}

uint32_t serve_cancel_waiting(struct engine *engine, struct engine_client *client)
{
    uint8_t *buffer, *frame;
    size_t size;
    bool found;

    /* A client that has not taken its last response is between commands. */
    if (client->closing || client_io_sending(&client->io))
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    /* The engine's own buffer may be at work. */
    buffer = malloc(engine->command_capacity);
    if (!buffer)
        return TSS2_TCTI_RC_MEMORY;
    found = serve_read(engine, client, buffer, &frame, &size);
    if (found) {
        client_io_read_done(&client->io, frame, size);
        serve_answer_code(engine, client, RM_RC_CANCELED);
        if (!client->gone && !client_io_readable(&client->io, engine->command_capacity))
            scheduler_unready(&engine->scheduler, &client->turn);
        serve_line_up(engine, client);
    }
    free(buffer);
    return found ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_BAD_SEQUENCE;
}
