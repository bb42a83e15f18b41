/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists and counts that the engine is asked for (engine_survey()): a copy in plain data, which is
 * its receiver's. Counts are since the start. Any thread.
 */
#pragma once

#include "engine/peer.h"
#include "engine/rules.h"
#include "engine/statistics.h"
#include "rm/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum snapshot_kind {
    SNAPSHOT_CONNECTIONS, /* all, in no order */
    SNAPSHOT_USERS,       /* that are known: by a connection, something held, or time owed */
    SNAPSHOT_STATISTICS,
    SNAPSHOT_SLOTS,   /* what is loaded in the TPM */
    SNAPSHOT_CHIP,    /* what the TPM is */
    SNAPSHOT_LOCKOUT, /* the TPM is asked, but for an answer of late (SURVEY_LOCKOUT_MS) */
};

enum snapshot_state {
    SNAPSHOT_NEW,     /* not served yet: its account is to be known first */
    SNAPSHOT_IDLE,    /* it has no command */
    SNAPSHOT_WAITING, /* it has one, or bytes that may become one */
    SNAPSHOT_RUNNING,
    SNAPSHOT_LEAVING, /* it goes when it has taken its last response */
};

struct snapshot_connection {
    uint64_t number;
    uint32_t uid, account; /* base/account.h */
    struct peer peer;
    bool from_bus;
    int64_t age_ms;
    struct rm_holdings holdings;
    struct statistics_tally tally;
    enum snapshot_state state;
    uint32_t command;   /* TPM_CC of the command that runs; 0: none does */
    uint8_t locality;   /* of its next commands */
    const char *policy; /* policies_name(); static */
};

struct snapshot_user {
    uint32_t account;
    unsigned connections; /* those that wait for their account to be known are not among them */
    struct rm_holdings holdings;
    struct statistics_tally tally;
    struct user_rules rules; /* of the connection that got its rules last */
};

struct snapshot_statistics {
    struct statistics engine;
    struct rm_statistics manager; /* all 0 before there is a TPM */
    uint64_t refused_connections; /* by admission_text()'s errors */
    uint32_t code_count;          /* of the next ones */
    struct rm_command_count codes[RM_COMMAND_COUNTS];
};

struct snapshot {
    enum snapshot_kind kind;
    size_t count; /* of connections, users or slots; else 1 */
    union {       /* by kind; not NULL */
        void *data;
        struct snapshot_connection *connections;
        struct snapshot_user *users;
        struct snapshot_statistics *statistics;
        struct rm_slot *slots;
        struct rm_identity *chip;
        struct rm_lockout *lockout;
    };
};

/* A snapshot of `kind` with room for so many things, all 0; its count is 0. NULL without memory. */
struct snapshot *snapshot_new(enum snapshot_kind kind, size_t room);

/* NULL is fine. */
void snapshot_free(struct snapshot *snapshot);
