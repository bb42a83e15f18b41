/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the manager tells of a client's command for a trace: handles, sessions, and what the command
 * cost. It has no byte of a parameter, a nonce or an authorization value. Engine thread.
 */
#pragma once

#include "rm/rm.h"
#include "rm/trace.h"
#include "wire/command.h"

struct trace_report {
    struct trace cost;
    bool denied;           /* by the client's policy, or for wrong passwords */
    unsigned handle_count; /* with session_count 0 for a command that is malformed */
    uint32_t handles[COMMAND_MAX_HANDLES];  /* the client's */
    uint32_t physical[COMMAND_MAX_HANDLES]; /* the chip's; 0: the chip did not get the command */
    unsigned session_count;
    struct command_session sessions[COMMAND_MAX_SESSIONS];
    uint32_t made, made_physical; /* the handle in the response; 0: none, or none of the chip's */
};

/* As rm_execute(), and fills in the report. */
size_t trace_report_execute(struct rm *rm, struct rm_client *client, const uint8_t *bytes,
                            size_t size, uint8_t *response, struct trace_report *report);
