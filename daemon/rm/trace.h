/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manager's lines of the log at level debug: one for each client command, for each eviction,
 * and for each doubt about what the chip holds. They have handles, codes and counts only, never a
 * byte of a command, a response or a context. Below that level a command costs one comparison and a
 * few additions. Engine thread.
 */
#pragma once

#include "base/log.h"
#include "rm/rm.h"

struct object;
struct session;

/* Why a command goes to the chip. */
enum trace_sent {
    TRACE_OWN,   /* it is the client's; more than one: it was sent again */
    TRACE_SAVE,  /* TPM2_ContextSave */
    TRACE_LOAD,  /* TPM2_ContextLoad */
    TRACE_FLUSH, /* TPM2_FlushContext */
    TRACE_ASK,   /* the chip is asked what it holds, or started */
    TRACE_SENT_KINDS
};

/* Why something leaves the chip. */
enum trace_reason {
    TRACE_FOR_COMMAND, /* what a command names or makes needs the slot */
    TRACE_FOR_CHIP,    /* the chip refused a command for want of room */
    TRACE_FOR_RESERVE, /* the slot is kept for the chip's other users */
    TRACE_FOR_REFRESH, /* a saved session takes the slot while it is saved anew */
    TRACE_FOR_IDLE,    /* the chip is quiet and is cleaned up */
    TRACE_FOR_SLEEP,   /* the machine is about to sleep */
    TRACE_REASONS
};

/* Where a client's command was answered, if not in the chip. */
enum trace_way {
    TRACE_WAY_REFUSED, /* before all that follows; at first */
    TRACE_WAY_MANAGER, /* by the manager's books */
    TRACE_WAY_CACHE,   /* by the answers that are kept */
    TRACE_WAYS
};

/* Commands that the chip was sent for the client command that runs. */
struct trace {
    uint32_t command; /* its TPM_CC */
    uint32_t sent[TRACE_SENT_KINDS];
    enum trace_way way; /* where the command was answered, if it was not sent */
    uint64_t started;   /* log_clock(), for the log at level debug; else 0 */
};

/* A client's command begins. */
static inline void trace_begin(struct trace *trace, uint32_t command_code)
{
    *trace = (struct trace){.command = command_code,
                            .started = log_threshold >= LOG_LEVEL_DEBUG ? log_clock() : 0};
}

/* Why the manager sends a command of its own. */
enum trace_sent trace_own_kind(uint32_t command_code);

/* A command went to the chip so many times: a client's own command (`own`), else a command of the
 * manager. Why. */
static inline enum trace_sent trace_sent(struct trace *trace, bool own, uint32_t command_code,
                                         unsigned times)
{
    enum trace_sent kind = own ? TRACE_OWN : trace_own_kind(command_code);

    trace->sent[kind] += times;
    return kind;
}

/* Writes the line of trace_command(). */
void trace_write_command(const struct rm_client *client, const struct trace *trace,
                         uint32_t command_code, uint32_t response_code);

/* The client's command with this code is answered with `response_code`. */
static inline void trace_command(const struct rm_client *client, const struct trace *trace,
                                 uint32_t command_code, uint32_t response_code)
{
    if (log_threshold >= LOG_LEVEL_DEBUG)
        trace_write_command(client, trace, command_code, response_code);
}

/* Something loaded is about to leave the chip. */
void trace_evict_object(const struct object *object, enum trace_reason reason);
void trace_evict_session(const struct session *session, enum trace_reason reason);
