/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Those who read a trace: each has a socket of type SOCK_SEQPACKET, on which it is sent one record
 * (wire/trace-record.h) for each command of a client that its filter lets through. The engine never
 * waits for a reader: a record for which the socket has no room is lost, and the next one that is
 * sent says how many were.
 *
 * Without readers a command costs the look at an empty list. Engine thread, where nothing else is
 * said.
 */
#pragma once

#include "engine/client.h"
#include "engine/trace-reader.h"
#include "rm/trace-report.h"

/*
 * Readers in all; of them so many are for accounts other than root's, and for one account. A reader
 * that came by the bus may leave its end in the bus, which counts it beside the connections that
 * are handed out (bus/handouts.h): all of them together stay below the bus's 64.
 */
#define TRACE_READERS_MAX         7
#define TRACE_READERS_NOT_ROOTS   5
#define TRACE_READERS_PER_ACCOUNT 2

/* The readers, and the record of the turn under way. */
struct trace_readers {
    struct list list;
    struct loop *loop;
    bool turn;         /* there is a record of the turn */
    unsigned copiers;  /* readers with bytes */
    uint8_t *command;  /* what a client sent in this turn, or NULL */
    uint8_t *response; /* and what it was answered, or NULL */
    struct trace_report report;
    struct trace_record record;
};

/* The loop is borrowed. */
void trace_readers_init(struct trace_readers *readers, struct loop *loop);
void trace_readers_clear(struct trace_readers *readers);

/* Takes a reader over, and gives 0; or TSS2_TCTI_RC_TRY_AGAIN when there are too many, or
 * TSS2_TCTI_RC_MEMORY. Also inside of a TPM command. */
uint32_t trace_readers_add(struct trace_readers *readers, struct trace_reader *reader);

static inline bool trace_readers_any(const struct trace_readers *readers)
{
    return !list_empty(&readers->list);
}

/* A client's turn with this command; `report` is to be filled in while it lasts. */
void trace_readers_begin(struct trace_readers *readers, struct client *client,
                         const uint8_t *command, size_t size);

/* What the client is answered. */
void trace_readers_note(struct trace_readers *readers, const uint8_t *response, size_t size);

/* The turn is over: it began at `started`, clock_now_ns(), and the times are nanoseconds. Tells the
 * readers of it. */
void trace_readers_tell(struct trace_readers *readers, uint64_t started, uint64_t queue,
                        uint64_t chip);
