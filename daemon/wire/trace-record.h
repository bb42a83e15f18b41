/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of a trace: what a client's command was and what became of it, one message of a socket of
 * type SOCK_SEQPACKET each (OpenTrace of org.tabrmd.Manager1). A record has no byte of a parameter,
 * a nonce or an authorization value, unless it has the bytes of the whole command, which only root
 * can ask for.
 *
 * Version 1 is, with all integers big-endian:
 *
 *     0  u16  version
 *     2  u16  size of the record without the bytes at its end; more than here: fields of a later
 *             version, to be skipped
 *     4  u32  flags, enum trace_record_flag
 *     8  u64  records lost since the one before, as the reader did not keep up
 *    16  u64  when the command's turn began, nanoseconds of CLOCK_MONOTONIC
 *    24  u64  number of the connection
 *    32  u64  nanoseconds that the command waited for its turn
 *    40  u64  nanoseconds of its turn
 *    48  u32  process, 0: not known      52  u32  user
 *    56  u32  TPM_CC                     60  u32  TPM_RC
 *    64  u32  commands that the TPM was sent for it, one for each enum trace_record_sent
 *    84  u8   where it was answered, enum trace_record_way
 *    85  u8   locality
 *    86  u8   handles of the command     87  u8   sessions of the command
 *    88  u32  handle in the response, 0 for none, and what the TPM calls it
 *    96  u32  a handle of the command, and what the TPM calls it, 0: it did not get it; 7 times
 *   152  u32  handle of a session, and its TPMA_SESSION in the last byte of a u32; 3 times
 *   176  u8   name of the program, ended by 0; 64 times
 *   240  u32  bytes of the command, then of the response, which follow the record; or 0
 */
#pragma once

#include "wire/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_RECORD_VERSION 1
#define TRACE_RECORD_SIZE    248
#define TRACE_RECORD_PROGRAM 64

enum trace_record_flag {
    TRACE_RECORD_CANCELED = 1, /* before it ran, or while it did */
    TRACE_RECORD_DENIED = 2,   /* its client may not send it */
};

/* Why a command went to the TPM. */
enum trace_record_sent {
    TRACE_RECORD_OWN,   /* it is the client's; more than one: it was sent again */
    TRACE_RECORD_SAVE,  /* TPM2_ContextSave */
    TRACE_RECORD_LOAD,  /* TPM2_ContextLoad */
    TRACE_RECORD_FLUSH, /* TPM2_FlushContext */
    TRACE_RECORD_ASK,   /* the TPM is asked what it holds, or started */
    TRACE_RECORD_SENT_KINDS
};

enum trace_record_way {
    TRACE_RECORD_REFUSED,    /* nowhere: the daemon refused it */
    TRACE_RECORD_BY_MANAGER, /* by what the daemon knows of the client's objects and sessions */
    TRACE_RECORD_BY_CACHE,   /* by an answer that was kept */
    TRACE_RECORD_BY_TPM,
};

struct trace_record_handle {
    uint32_t virtual, physical; /* the client's, the TPM's */
};

/* The bytes of a command and of its response. */
struct trace_record_bytes {
    uint32_t command, response;
};

struct trace_record {
    uint32_t flags;
    uint64_t lost, started, number, queue, chip;
    uint32_t pid, uid, code, response_code;
    uint32_t sent[TRACE_RECORD_SENT_KINDS];
    uint8_t way, locality;
    uint8_t handle_count, session_count;
    struct trace_record_handle made; /* in the response */
    struct trace_record_handle handles[COMMAND_MAX_HANDLES];
    struct command_session sessions[COMMAND_MAX_SESSIONS];
    char program[TRACE_RECORD_PROGRAM];
    struct trace_record_bytes bytes; /* that follow */
};

/* Writes TRACE_RECORD_SIZE bytes. */
void trace_record_store(uint8_t *bytes, const struct trace_record *record);

/*
 * Reads the record in a message of `size` bytes. The bytes of the command begin at *at in the
 * message, and those of the response follow. False for another version's, or when the message does
 * not hold what it says.
 */
bool trace_record_load(struct trace_record *record, const uint8_t *message, size_t size,
                       size_t *at);
