/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of the journal, of which each has a cell. Native byte order and layout: the header
 * tells both, and another machine's are refused. A line of 0 is no extent, a reference with cell 0
 * none. Their sizes and meanings are the version of the journal: JOURNAL_VERSION counts changes. A
 * daemon reads its own version and the one before, of each of which there is a journal in
 * tests/journals.
 */
#pragma once

#include <stdint.h>

#define JOURNAL_VERSION 1
#define JOURNAL_OLDEST  1 /* that is read */
#define JOURNAL_PAYLOAD 48
#define JOURNAL_SEAT    256

/* A cell that was given out again has another serial. */
struct journal_ref {
    uint32_t cell;
    uint32_t serial;
};

enum journal_kind {
    JOURNAL_FREE,
    JOURNAL_CHIP,   /* one each, in cells of their own: */
    JOURNAL_RUN,    /* the client's command at hand, without a check, as the next two: */
    JOURNAL_IN,     /* the receive that is under way */
    JOURNAL_OUT,    /* the send that is under way */
    JOURNAL_HOLDER, /* any number each: a client of the manager */
    JOURNAL_OBJECT,
    JOURNAL_HANDLE, /* of a holder, for an object */
    JOURNAL_SESSION,
    JOURNAL_CONNECTION, /* a client of the engine */
    JOURNAL_KINDS
};

struct record_chip {
    uint32_t reset_count;
    uint32_t object_slots, session_slots;
};

/* `cookie` is the connection's, as in the seat and in the other records (SO_COOKIE, socket(7)). */
struct record_holder {
    uint64_t cookie;
    uint64_t number; /* rm_client.number */
    uint32_t uid, account;
    uint32_t next; /* handles.next */
};

#define RECORD_NAME 34 /* bytes of a Name with SHA-256; of a longer one the first */

struct record_object {
    uint32_t physical;
    uint32_t saved; /* line */
    uint8_t immutable, sequence;
    uint8_t name_size; /* of `name`; 0: not known */
    uint8_t name[RECORD_NAME];
};

struct record_handle {
    struct journal_ref holder, object;
    uint32_t handle;
};

struct record_session {
    struct journal_ref owner; /* holder, or none */
    uint64_t held_since;      /* rm->clock */
    uint32_t handle;
    uint32_t uid, account; /* account: of whom it is charged to; not of a doomed one */
    uint32_t saved, held;  /* lines */
    uint8_t state, loaded, used_up;
};

struct record_connection {
    uint64_t cookie;
    uint64_t number; /* for people (client_record.number) */
    uint32_t account;
    uint32_t in, out;           /* lines: bytes that wait (client-io.h) */
    uint32_t in_gone, out_gone; /* of these the first ones do not any more */
    uint8_t state;              /* enum client_state: open, draining or closed */
    uint8_t member, locality;
};

enum run_phase {
    RUN_NONE,
    RUN_TAKEN,    /* whole in the desk's command; the chip has not run it */
    RUN_SENT,     /* the chip may have run it */
    RUN_ANSWERED, /* the answer is whole in the desk's response */
};

struct record_run {
    uint64_t cookie;
    uint32_t command, response; /* bytes of each */
    uint8_t phase;
};

/* The desk's buffers: where bytes are received to, or sent from. */
enum desk_buffer {
    DESK_COMMAND,
    DESK_SCRATCH,
    DESK_RESPONSE,
    DESK_REPLY, /* to a control frame, or a code alone */
    DESK_KEPT,  /* the bytes that wait of that connection, on the shelf; only sent */
    DESK_BUFFERS
};

/* All zero: nothing is under way. The kernel's count of bytes is in the desk's message. */
struct record_move {
    uint64_t cookie;
    uint32_t buffer; /* enum desk_buffer */
    uint32_t size;   /* bytes of room, or to send, from the buffer's start on */
};

/* In place of a number of attempts: the daemon ended well, so the next start is not one after a
 * crash. */
#define JOURNAL_HANDED_OVER UINT32_MAX

/* Words of the header that are stored one by one; each store is valid at once. */
struct journal_facts {
    uint32_t starts; /* attempts to read this journal */
    uint32_t reserved;
    char bus[64]; /* the bus's GUID, for which the creators' names hold; empty: none */
};
