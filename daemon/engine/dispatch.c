/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/dispatch.h"

#include "base/clock.h"
#include "base/log.h"
#include "rm/rc.h"
#include "wire/control-frame.h"
#include "wire/response.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
 * The most that one command is charged, nanoseconds: the time of the longest key generations. The
 * clock says more when the process or the whole machine stood still in the middle of a command, and
 * no user is to wait until all others have used the chip for so long.
 */
#define DISPATCH_COST_MAX UINT64_C(60000000000)

#define DISPATCH_NS_PER_MS 1000000

/* The nanoseconds from `started` until now. */
static uint64_t dispatch_bound(uint64_t started, uint64_t now)
{
    uint64_t time = now > started ? now - started : 0;

    return time < DISPATCH_COST_MAX ? time : DISPATCH_COST_MAX;
}

void dispatch_init(struct dispatch *dispatch, struct clients *clients,
                   const struct control_channel *channel)
{
    *dispatch = (struct dispatch){.clients = clients, .channel = channel};
    trace_readers_init(&dispatch->readers, clients->loop);
}

void dispatch_clear(struct dispatch *dispatch)
{
    trace_readers_clear(&dispatch->readers);
}

static uint8_t *dispatch_bytes(const struct dispatch *dispatch, enum desk_buffer buffer)
{
    return dispatch->clients->desk->bytes[buffer];
}

/* What a client's waiting command will likely cost. */
static uint64_t dispatch_expected(const struct dispatch *dispatch, struct client *client)
{
    size_t have;
    const uint8_t *bytes = client_io_ahead(&client->io, &have);

    if (have < HEADER_SIZE || (client->io.control && control_frame_is(bytes)))
        return CLIENT_COST_MIN;
    return command_cost_expected(&dispatch->costs, command_cost_kind(bytes, have));
}

/* Tells the scheduler what the waiting commands will cost; those that came since the last turn wait
 * from now on. */
static void dispatch_rate(const struct dispatch *dispatch)
{
    struct scheduler *scheduler = dispatch->clients->scheduler;
    struct scheduler_client *turn = scheduler_unrated(scheduler);
    uint64_t now = turn ? clock_now_ns() : 0;

    for (; turn; turn = scheduler_unrated(scheduler)) {
        struct client *client = client_of_turn(turn);

        if (client->record.ready == 0)
            client->record.ready = now;
        scheduler_rate(scheduler, turn, dispatch_expected(dispatch, client));
    }
}

/* While the command runs only new input is looked at. */
static void dispatch_scan(const struct dispatch *dispatch, struct client *client)
{
    if (client->io.in.bytes)
        control_channel_scan(dispatch->channel, client, UINT_MAX);
    control_channel_scan_all(dispatch->channel);
}

/* Reads what the client sent: true if it is a command, and not a control frame or nothing. */
static bool dispatch_read(struct dispatch *dispatch, struct client *client)
{
    const uint8_t *frame = dispatch_bytes(dispatch, DESK_COMMAND);

    if (!client_read(client, DESK_COMMAND, &dispatch->size))
        return false;
    if (!client->io.maybe_more && !client->io.in.bytes)
        scheduler_scanned(&client->turn);
    if (client->io.control && control_frame_is(frame)) {
        control_channel_carry_out(dispatch->channel, client, CLIENT_IO_FRONT, frame,
                                  dispatch->size);
        desk_wipe(dispatch->clients->desk, DESK_COMMAND);
        return false;
    }
    dispatch->kind = command_cost_kind(frame, dispatch->size);
    client->command = CLIENT_COMMAND_READ;
    desk_take(dispatch->clients->desk, client->io.cookie, dispatch->size);
    dispatch_scan(dispatch, client);
    return true;
}

/* For how long the client waited. */
static void dispatch_note_wait(struct dispatch *dispatch, struct client_record *record)
{
    dispatch->waited = 0;
    if (record->ready == 0)
        return;
    dispatch->waited = dispatch_bound(record->ready, dispatch->started);
    record->ready = 0;
}

struct client *dispatch_begin(struct dispatch *dispatch)
{
    struct scheduler_client *turn;

    assert(!dispatch->client);
    dispatch_rate(dispatch);
    dispatch->started = clock_now_ns();
    turn = scheduler_pick(dispatch->clients->scheduler);
    if (!turn)
        return NULL;
    dispatch->client = client_of_turn(turn);
    dispatch->kind = 0;
    dispatch->executed = false;
    dispatch_note_wait(dispatch, &dispatch->client->record);
    if (!dispatch_read(dispatch, dispatch->client))
        dispatch_end(dispatch);
    return dispatch->client;
}

/* Has the resource manager execute the command. The size of the answer. */
static size_t dispatch_execute(struct dispatch *dispatch, struct rm *rm)
{
    uint8_t *command = dispatch_bytes(dispatch, DESK_COMMAND);
    uint8_t *response = dispatch_bytes(dispatch, DESK_RESPONSE);
    struct client *client = dispatch->client;

    if (client->command == CLIENT_COMMAND_CANCELED) {
        log_debug("a command of user %" PRIu32 " is canceled before it runs", client->uid);
        dispatch->clients->statistics.canceled++;
        return HEADER_SIZE; /* by client_cancel_read() */
    }
    if (!client->rm)
        return response_build_code(response, RM_RC_MEMORY);
    client->command = CLIENT_COMMAND_SUBMITTED;
    dispatch->executed = true;
    loop_assert_flat(dispatch->clients->loop);
    rm_set_time(rm, (int64_t)(dispatch->started / DISPATCH_NS_PER_MS));
    if (dispatch->readers.turn)
        return trace_report_execute(rm, client->rm, command, dispatch->size, response,
                                    &dispatch->readers.report);
    return rm_execute(rm, client->rm, command, dispatch->size, response);
}

/* True when the chip carried out the client's command, so that its cost is worth learning. `before`
 * is the chip's count of commands before it. */
static bool dispatch_was_run(const struct dispatch *dispatch, const struct rm *rm, uint64_t before)
{
    return rm_stats(rm)->chip_commands != before
           && header_load(dispatch_bytes(dispatch, DESK_RESPONSE)).code == TPM2_RC_SUCCESS;
}

/* The chip did not carry the command out. */
static void dispatch_note_not_run(struct dispatch *dispatch)
{
    uint32_t code = header_load(dispatch_bytes(dispatch, DESK_RESPONSE)).code;
    struct client *client = dispatch->client;

    dispatch->kind = 0;
    if (!dispatch->executed)
        return;
    if (trouble_of_code(code) != TROUBLE_NONE)
        dispatch->trouble = trouble_of_code(code);
    if ((code & TSS2_RC_LAYER_MASK) != TSS2_RESMGR_RC_LAYER)
        return;
    client->record.tally.refusals++;
    client->user->tally.refusals++;
}

uint32_t dispatch_running(const struct dispatch *dispatch, const struct client *client)
{
    if (client != dispatch->client || client->command == CLIENT_COMMAND_NONE)
        return 0;
    return header_load(dispatch_bytes(dispatch, DESK_COMMAND)).code;
}

void dispatch_run(struct dispatch *dispatch, struct rm *rm)
{
    struct desk *desk = dispatch->clients->desk;
    uint64_t before = rm_stats(rm)->chip_commands;
    size_t answer;

    if (trace_readers_any(&dispatch->readers))
        trace_readers_begin(&dispatch->readers, dispatch->client, desk->bytes[DESK_COMMAND],
                            dispatch->size);
    answer = dispatch_execute(dispatch, rm);
    desk_answer(desk, answer);
    if (dispatch->readers.turn)
        trace_readers_note(&dispatch->readers, desk->bytes[DESK_RESPONSE], answer);
    if (!dispatch_was_run(dispatch, rm, before))
        dispatch_note_not_run(dispatch);
    dispatch->client->command = CLIENT_COMMAND_NONE;
    client_answer(dispatch->client, answer);
    desk_end_run(desk);
}

/* Counts the command, whose turn took `time`. */
static void dispatch_count(const struct dispatch *dispatch, uint64_t time)
{
    struct client *client = dispatch->client;

    statistics_add(&dispatch->clients->statistics, dispatch->waited, time);
    statistics_tally_add(&client->record.tally, dispatch->waited, time);
    statistics_tally_add(&client->user->tally, dispatch->waited, time);
}

int64_t dispatch_end(struct dispatch *dispatch)
{
    struct client *client = dispatch->client;
    uint64_t now = clock_now_ns(), time = dispatch_bound(dispatch->started, now);
    uint64_t cost = time < CLIENT_COST_MIN ? CLIENT_COST_MIN : time;

    if (dispatch->executed)
        dispatch_count(dispatch, time);
    if (dispatch->readers.turn)
        trace_readers_tell(&dispatch->readers, dispatch->started, dispatch->waited, time);
    scheduler_charge(dispatch->clients->scheduler, cost);
    if (dispatch->kind)
        command_cost_learn(&dispatch->costs, dispatch->kind, cost);
    dispatch->client = NULL;
    client_queue(client);
    return clock_ms(now);
}
