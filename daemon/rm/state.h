/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All state of the resource manager, in plain data. A file that includes this header is part of the
 * manager.
 */
#pragma once

#include "rm/chip.h"
#include "rm/handles.h"
#include "rm/journal.h"
#include "rm/ledger.h"
#include "rm/object.h"
#include "rm/policy.h"
#include "rm/rm.h"
#include "rm/session.h"
#include "rm/shared-policy.h"
#include "rm/statistics.h"
#include "rm/trace.h"
#include "rm/user.h"
#include "wire/response.h"

#include <tss2/tss2_tpm2_types.h>

#define RM_CONTENT_BUCKETS 256
#define RM_ANSWERS         64

/* Sessions that are kept for root, and for accounts that have none. */
#define RM_SESSIONS_FOR_ROOT      4
#define RM_SESSIONS_FOR_NEWCOMERS 8

/* An answer that is kept: see answer-cache.h. */
struct answer {
    uint8_t query[12]; /* capability, property, count */
    struct blob response;
    struct rm_user *user; /* whom it is charged to; NULL: there is no answer */
    uint64_t since;       /* the manager's time when it was learned */
};

struct rm {
    struct rm_tpm *tpm;
    struct chip chip;
    struct rm_limits limits; /* of clients at first */
    struct rm_reserve reserve;
    struct rm_stats stats;
    struct rm_statistics statistics;
    /* By position in the command table plus 1: how often clients sent the command; the first one is
     * of what the chip does not have, or what is no command. */
    uint64_t command_counts[COMMAND_TABLE_MAX + 1];
    struct trace trace;

    struct list users;
    struct list policies; /* of clients */
    struct list clients;
    struct list objects; /* all of them */
    struct list slots;   /* those that are in the chip */
    struct list sessions;
    struct list contents[RM_CONTENT_BUCKETS]; /* immutable objects by their context's number */

    struct eviction object_eviction, session_eviction;
    struct answer answers[RM_ANSWERS];

    struct rm_client *requester;              /* whose command runs; NULL: nobody's */
    uint32_t objects_loaded, sessions_loaded; /* slots in use, as far as we know */
    uint32_t session_count;                   /* in the books */
    uint64_t clock;                           /* client commands so far: the manager's time */
    uint64_t client_number;                   /* of the newest client */
    uint64_t newest_sequence;                 /* of the last session context that was saved */
    /* By position in the command table: the command needs an object slot for itself while it runs,
     * as its refusals have taught. */
    bool needs_scratch_slot[COMMAND_TABLE_MAX];

    int64_t now;           /* of the engine's clock, milliseconds */
    struct tries tries;    /* wrong passwords, by account */
    bool tries_rule_known; /* chip.tries is what the chip goes by */

    enum tpm_condition condition;
    bool books_in_doubt; /* the chip may hold something else; set by doubt_books() */

    struct ledger *ledger;   /* or NULL */
    struct journal *journal; /* or NULL */

    uint8_t *own_command, *own_response; /* for commands of our own */
    bool own_is_clients; /* the next one carries out a client's command, which the chip audits */
    uint8_t *forwarded;  /* a client's command with the chip's handles in it */
    uint32_t sent_handles[COMMAND_MAX_HANDLES]; /* of the client's command that was sent last */
    size_t command_capacity, response_capacity;
};

/* Whether the client may have one more object, or session: 0, or the code for the client when the
 * client or its user has reached a limit. The log names the limit once for each connection. */
uint32_t client_check_objects(struct rm_client *client);
uint32_t client_check_sessions(struct rm_client *client);

/* What the log tells of a client, and of its command if it is the one that runs. */
struct log_about rm_client_about(const struct rm_client *client);

/* The same of a client whose command is answered with this code. */
struct log_about rm_client_about_answer(const struct rm_client *client, uint32_t code);

/* The transient objects and sessions that a command named, by the client's handles, and the other
 * slots that the command needed (see struct command_needs). */
struct last_needs {
    uint32_t handles[COMMAND_MAX_HANDLES + COMMAND_MAX_SESSIONS];
    unsigned count, made_objects, made_sessions, scratch_objects;
};

struct rm_client {
    struct rm *rm;
    struct list link;     /* rm->clients */
    struct rm_user *user; /* whom it is charged to */
    uint32_t uid;         /* whose it is */
    uint64_t number;      /* for people; clients count from 1 on, or as the caller says */
    uint64_t cookie;      /* of its connection; 0: it has none */
    struct journal_mark mark;
    uint32_t pid;        /* of its process, for the log; 0: not known */
    const char *program; /* of that process, borrowed; NULL: not known */
    uint8_t locality;
    struct rm_limits limits;
    struct shared_policy *policy; /* what it may send; NULL: everything */
    struct handles handles;
    uint32_t session_count;           /* sessions that it owns, saved ones too */
    struct last_needs last;           /* by its last command */
    bool told_objects, told_sessions; /* that it has all it may have */
    bool told_denied, told_tries;     /* that it may not send a command */
    bool told_lockout;                /* that the TPM refuses its authorizations */
    bool told_none;                   /* that the TPM has no session left */
};

/* The answer to a command that was sent is lost, so that nobody knows the nonces of the sessions
 * that the command named, nor the state of the sequence objects. These sessions and sequence
 * objects end, and the client learns that by its next use of them. A client that goes on with wrong
 * nonces would be taken for an attacker who tries authorizations, and lock the TPM (Part 1,
 * "Dictionary Attack Protection"). */
void client_lose_named(struct rm_client *client, const struct command *command);
