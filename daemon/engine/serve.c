/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"
#include "wire/control-frame.h"
#include "wire/response.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/*
 * Sockets are watched for edges, so a client that waits for its turn costs no wake-ups. Nothing is
 * lost by that: client_io remembers whether its socket may have more, and a client is marked as
 * ready whenever it has, and is not busy with taking a response.
 */
#define SERVE_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/*
 * The most that one command is charged, nanoseconds: what the longest key generations take. The
 * clock says more when the process or the whole machine stood still in the middle of a command, and
 * nobody is to wait until all others have used the chip for so long.
 */
#define SERVE_COST_MAX UINT64_C(60000000000)

/* What a user is charged for what it got since `started`. */
static uint64_t serve_cost(uint64_t started)
{
    uint64_t now = clock_now_ns(), cost = now > started ? now - started : 0;

    if (cost < SERVE_COST_MIN)
        return SERVE_COST_MIN;
    return cost < SERVE_COST_MAX ? cost : SERVE_COST_MAX;
}

void serve_add(struct engine *engine, struct engine_client *client)
{
    struct epoll_event event = {SERVE_EVENTS, {.ptr = client}};
    struct list *place =
        client->visitor ? &engine->visitors : &engine->clients[client->id % ENGINE_BUCKETS];

    scheduler_add(&engine->scheduler, &client->turn, client->account, client->priority,
                  client->record);
    client->record = NULL;
    client->known = true;
    list_insert_before(place, &client->link);
    engine->client_count++;
    /* What happened before is told now. */
    if (epoll_ctl(engine->epoll_fd, EPOLL_CTL_MOD, client->io.fd, &event) < 0)
        serve_drop(engine, client);
}

void serve_client_free(struct engine_client *client)
{
    if (!client)
        return;
    rm_client_free(client->rm);
    client_io_clear(&client->io);
    scheduler_user_free(client->record);
    admission_leave(&client->engine->admission, client->seat);
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
        bool visitor = client->visitor, unheard = client->known && !client->rm;
        uint64_t id = client->id;

        list_remove(&client->link);
        if (client->rm)
            device_touch(engine);
        serve_client_free(client);
        if (!visitor && unheard)
            engine->events.client_heard(engine->events.data, id);
        if (!visitor)
            engine->events.client_gone(engine->events.data, id);
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

/* Its input is to be looked at for control frames before a command takes its time. */
static void serve_notice(struct engine *engine, struct engine_client *client)
{
    if (client->io.control && !client->gone)
        scheduler_scan(&engine->scheduler, &client->turn);
}

/* Puts a client that may do something in line, or lets it go. */
static void serve_line_up(struct engine *engine, struct engine_client *client)
{
    if (client->gone || client == engine->running || client_io_sending(&client->io))
        return;
    if (client->closing) {
        serve_drop(engine, client);
    } else if (client_io_readable(&client->io, engine->command_capacity)) {
        scheduler_ready(&engine->scheduler, &client->turn);
        serve_notice(engine, client);
    }
}

void serve_answer(struct engine *engine, struct engine_client *client, const uint8_t *bytes,
                  size_t size)
{
    if (client->gone)
        return;
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

void serve_dismiss(struct engine *engine, struct engine_client *client, uint32_t code)
{
    client->closing = true;
    serve_answer_code(engine, client, code);
}

/* Reads the client's next frame into `buffer`; deals with everything that is none. */
static bool serve_read(struct engine *engine, struct engine_client *client, uint8_t *buffer,
                       uint8_t **frame, size_t *size)
{
    switch (client_io_read(&client->io, buffer, engine->command_capacity, frame, size)) {
    case CLIENT_IO_FRAME:
        return true;
    case CLIENT_IO_AGAIN:
        break;
    case CLIENT_IO_BAD:
        serve_dismiss(engine, client, RM_RC_COMMAND_SIZE);
        break;
    case CLIENT_IO_MEMORY:
        serve_dismiss(engine, client, RM_RC_MEMORY);
        break;
    case CLIENT_IO_CLOSED:
        serve_drop(engine, client);
        break;
    }
    return false;
}

void serve_event(struct engine *engine, struct engine_client *client, uint32_t events)
{
    if (client->gone || !client->known)
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
    if (events & (EPOLLIN | EPOLLRDHUP)) {
        client->io.maybe_more = true;
        serve_notice(engine, client);
    }
    serve_line_up(engine, client);
}

/* Makes the resource manager's side of a client when its first command comes. */
static bool serve_prepare(struct engine *engine, struct engine_client *client)
{
    if (!client->rm) {
        client->rm = rm_client_new(engine->rm, client->account, client->uid);
        client->locality_changed = client->locality != 0;
        if (client->rm && !client->visitor)
            engine->events.client_heard(engine->events.data, client->id);
    }
    if (client->rm && client->locality_changed) {
        rm_client_set_locality(client->rm, client->locality);
        client->locality_changed = false;
    }
    return client->rm != NULL;
}

/* Has the resource manager run the client's command. The size of the answer. */
static size_t serve_submit(struct engine *engine, struct engine_client *client, uint8_t *frame,
                           size_t size)
{
    size_t answer;

    if (!serve_prepare(engine, client))
        return response_build_code(engine->response, RM_RC_MEMORY);
    engine->submitted = true;
    answer = rm_execute(engine->rm, client->rm, frame, size, engine->response);
    engine->submitted = false;
    return answer;
}

/* True when the chip carried out what the client asked for, of which `before` is the count of its
 * commands until then: a cost to learn from. */
static bool serve_was_run(const struct engine *engine, uint64_t before)
{
    return rm_stats(engine->rm)->chip_commands != before
           && header_load(engine->response).code == TPM2_RC_SUCCESS;
}

/* Runs the command that was read from the client, and answers it. Its kind, or 0 when nothing can
 * be learned from what it cost. */
static uint64_t serve_run(struct engine *engine, struct engine_client *client, uint8_t *frame,
                          size_t size)
{
    uint64_t before = rm_stats(engine->rm)->chip_commands, kind = command_cost_kind(frame, size);
    size_t answer;

    /* While the command runs only what comes anew is looked at. */
    engine->running = client;
    client->canceled = false;
    if (client->io.in.bytes)
        requests_look(engine, client, UINT_MAX);
    requests_look_all(engine);
    if (client->canceled) {
        log_debug("a command of user %" PRIu32 " is canceled before it runs", client->uid);
        answer = response_build_code(engine->response, RM_RC_CANCELED);
    } else {
        answer = serve_submit(engine, client, frame, size);
    }
    if (!serve_was_run(engine, before))
        kind = 0;
    engine->running = NULL;
    serve_answer(engine, client, engine->response, answer);
    explicit_bzero(engine->response, answer);
    device_settle(engine);
    device_touch(engine);
    return kind;
}

enum rm_warmth serve_warmth(const struct scheduler_client *turn)
{
    return rm_client_warmth(list_entry(turn, const struct engine_client, turn)->rm);
}

/* What a client's waiting command will likely cost. */
static uint64_t serve_expected(struct engine *engine, struct engine_client *client)
{
    size_t have;
    const uint8_t *bytes = client_io_ahead(&client->io, &have);

    if (have < HEADER_SIZE || (client->io.control && control_frame_is(bytes)))
        return SERVE_COST_MIN;
    return command_cost_expected(&engine->costs, command_cost_kind(bytes, have));
}

/* Tells the scheduler what the waiting commands will cost. */
static void serve_rate(struct engine *engine)
{
    struct scheduler_client *turn;

    while ((turn = scheduler_unrated(&engine->scheduler)))
        scheduler_rate(&engine->scheduler, turn,
                       serve_expected(engine, list_entry(turn, struct engine_client, turn)));
}

/* What a client does with its turn: what it sent may be a command, a control frame, or nothing. The
 * kind of a command from whose cost something can be learned, or 0. */
static uint64_t serve_turn(struct engine *engine, struct engine_client *client)
{
    uint64_t kind = 0;
    uint8_t *frame;
    size_t size;

    if (!serve_read(engine, client, engine->command, &frame, &size))
        return 0;
    if (!client->io.maybe_more && !client->io.in.bytes)
        scheduler_scanned(&client->turn);
    if (client->io.control && control_frame_is(frame))
        requests_carry_out(engine, client, CLIENT_IO_FRONT, frame, size);
    else
        kind = serve_run(engine, client, frame, size);
    client_io_read_done(&client->io, frame, size);
    return kind;
}

void serve_next(struct engine *engine)
{
    struct engine_client *client;
    struct scheduler_client *turn;
    uint64_t started, cost, kind;

    serve_rate(engine);
    started = clock_now_ns();
    turn = scheduler_pick(&engine->scheduler);
    if (!turn)
        return;
    client = list_entry(turn, struct engine_client, turn);
    kind = serve_turn(engine, client);
    cost = serve_cost(started);
    scheduler_charge(&engine->scheduler, cost);
    if (kind)
        command_cost_learn(&engine->costs, kind, cost);
    serve_line_up(engine, client);
}

void serve_bill(struct engine *engine, struct engine_client *client)
{
    scheduler_bill(&engine->scheduler, &client->turn, SERVE_COST_MIN);
}

uint32_t serve_cancel_waiting(struct engine *engine, struct engine_client *client)
{
    uint8_t *frame;
    size_t size;

    serve_bill(engine, client);
    /* A client that has not taken its last response is between commands. */
    if (client->closing || client_io_sending(&client->io))
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    if (!serve_read(engine, client, engine->scratch, &frame, &size)) {
        serve_line_up(engine, client);
        return TSS2_TCTI_RC_BAD_SEQUENCE;
    }
    client_io_read_done(&client->io, frame, size);
    log_debug("a command of user %" PRIu32 " is canceled while it waits", client->uid);
    serve_answer_code(engine, client, RM_RC_CANCELED);
    if (!client->gone && !client_io_readable(&client->io, engine->command_capacity))
        scheduler_unready(&engine->scheduler, &client->turn);
    serve_line_up(engine, client);
    return TSS2_RC_SUCCESS;
}
