/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-private.h"

#include "base/log.h"
#include "wire/control-frame.h"
#include "wire/response.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

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

    if (cost < CLIENT_COST_MIN)
        return CLIENT_COST_MIN;
    return cost < SERVE_COST_MAX ? cost : SERVE_COST_MAX;
}

void serve_bury(struct engine *engine)
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
static bool serve_prepare(struct engine *engine, struct client *client)
{
    bool heard = client->rm;

    if (!client_prepare(client, engine->rm))
        return false;
    if (!heard && client->origin == CLIENT_FROM_BUS)
        engine->events.client_heard(engine->events.data, client->id);
    return true;
}

/* Has the resource manager run the client's command. The size of the answer. */
static size_t serve_submit(struct engine *engine, struct client *client, uint8_t *frame,
                           size_t size)
{
    if (!serve_prepare(engine, client))
        return response_build_code(engine->response, RM_RC_MEMORY);
    client->command = CLIENT_COMMAND_SUBMITTED;
    return rm_execute(engine->rm, client->rm, frame, size, engine->response);
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
static uint64_t serve_run(struct engine *engine, struct client *client, uint8_t *frame, size_t size)
{
    uint64_t before = rm_stats(engine->rm)->chip_commands, kind = command_cost_kind(frame, size);
    size_t answer;

    /* While the command runs only what comes anew is looked at. */
    client->command = CLIENT_COMMAND_READ;
    if (client->io.in.bytes)
        requests_look(engine, client, UINT_MAX);
    requests_look_all(engine);
    if (client->command == CLIENT_COMMAND_CANCELED) {
        log_debug("a command of user %" PRIu32 " is canceled before it runs", client->uid);
        answer = response_build_code(engine->response, RM_RC_CANCELED);
    } else {
        answer = serve_submit(engine, client, frame, size);
    }
    if (!serve_was_run(engine, before))
        kind = 0;
    client->command = CLIENT_COMMAND_NONE;
    client_answer(client, engine->response, answer);
    explicit_bzero(engine->response, answer);
    device_settle(engine);
    device_touch(engine);
    return kind;
}

/* What a client's waiting command will likely cost. */
static uint64_t serve_expected(struct engine *engine, struct client *client)
{
    size_t have;
    const uint8_t *bytes = client_io_ahead(&client->io, &have);

    if (have < HEADER_SIZE || (client->io.control && control_frame_is(bytes)))
        return CLIENT_COST_MIN;
    return command_cost_expected(&engine->costs, command_cost_kind(bytes, have));
}

/* Tells the scheduler what the waiting commands will cost. */
static void serve_rate(struct engine *engine)
{
    struct scheduler_client *turn;

    while ((turn = scheduler_unrated(&engine->scheduler)))
        scheduler_rate(&engine->scheduler, turn, serve_expected(engine, client_of_turn(turn)));
}

/* What a client does with its turn: what it sent may be a command, a control frame, or nothing. The
 * kind of a command from whose cost something can be learned, or 0. */
static uint64_t serve_turn(struct engine *engine, struct client *client)
{
    uint64_t kind = 0;
    uint8_t *frame;
    size_t size;

    if (!client_read(client, engine->command, &frame, &size))
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
    struct client *client;
    struct scheduler_client *turn;
    uint64_t started, cost, kind;

    serve_rate(engine);
    started = clock_now_ns();
    turn = scheduler_pick(&engine->scheduler);
    if (!turn)
        return;
    client = client_of_turn(turn);
    kind = serve_turn(engine, client);
    cost = serve_cost(started);
    scheduler_charge(&engine->scheduler, cost);
    if (kind)
        command_cost_learn(&engine->costs, kind, cost);
    client_queue(client);
}
