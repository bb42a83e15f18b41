/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The turn of one client: its command is read, executed and answered, and the client's user is
 * charged. The three steps follow each other; the caller may do other things between them, which
 * the turn is charged for.
 */
#pragma once

#include "engine/client.h"
#include "engine/command-cost.h"
#include "engine/control-channel.h"
#include "engine/trace-readers.h"
#include "engine/trouble.h"

struct dispatch {
    struct clients *clients; /* borrowed, with the next one */
    const struct control_channel *channel;
    struct command_cost costs;
    struct client *client; /* whose turn it is; NULL: nobody's */
    size_t size;           /* bytes of its command, in the desk's buffer for it */
    uint64_t started;      /* clock_now_ns() */
    uint64_t kind;         /* of the command, as command_cost_kind(); 0: it is not learned from */
    uint64_t waited;       /* nanoseconds before the turn */
    bool executed;         /* the manager has executed the command */
    enum trouble trouble;  /* that the answers so far mean; the caller takes it off */
    struct trace_readers readers;
};

void dispatch_init(struct dispatch *dispatch, struct clients *clients,
                   const struct control_channel *channel);
void dispatch_clear(struct dispatch *dispatch);

/*
 * Gives the next turn. The client whose command was read, and which may have been canceled since;
 * or NULL when it is nobody's turn, or the turn is over: the client had a control frame, or no
 * command after all.
 */
struct client *dispatch_begin(struct dispatch *dispatch);

/* The TPM_CC of the command of this client that runs, or whose turn it is; 0 when it is none. */
uint32_t dispatch_running(const struct dispatch *dispatch, const struct client *client);

/* Executes the command, unless it was canceled, and answers it. client_prepare() comes before. */
void dispatch_run(struct dispatch *dispatch, struct rm *rm);

/* Ends the turn, and charges for it. When that was, clock_now(). */
int64_t dispatch_end(struct dispatch *dispatch);
