/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the manager tells of itself for people: what is in the chip, who holds how much, what the
 * chip is, what was counted. Copies of plain data. All but report_ask_lockout() may be called from
 * inside of transact().
 */
#pragma once

#include "rm/rm.h"
#include "rm/statistics.h"
#include "wire/command-table.h"

/* Fills in a copy. */
void report_statistics(const struct rm *rm, struct rm_statistics *statistics);

/* How often clients sent a command. */
struct rm_command_count {
    uint32_t code; /* TPM_CC; 0 for all that the chip does not have, or that is no command */
    uint64_t count;
};

/* The most that there are: those of the chip, and the one with code 0. */
#define RM_COMMAND_COUNTS (COMMAND_TABLE_MAX + 1)

/* Fills in those that were sent at all; how many that are. Their sum is client_commands. */
uint32_t report_command_counts(const struct rm *rm,
                               struct rm_command_count counts[RM_COMMAND_COUNTS]);

/* What one client, or all clients of a user, hold. */
struct rm_holdings {
    uint32_t objects, sessions;
};

/* NULL holds nothing. */
struct rm_holdings report_client_holdings(const struct rm_client *client);
struct rm_holdings report_user_holdings(const struct rm_user *user);

/* What is in a slot of the chip. */
struct rm_slot {
    bool session;     /* else it is an object */
    uint32_t handle;  /* the chip's */
    uint64_t number;  /* of the client that owns the session, or used the object last; 0: nobody
                       * can name it now */
    uint32_t account; /* of that client, or of the last one */
};

/* Fills in `most` slots at the most; how many that are. */
uint32_t report_slots(const struct rm *rm, struct rm_slot *slots, uint32_t most);

/* How many there are for report_slots(). */
uint32_t report_slot_count(const struct rm *rm);

/* What the chip says that it is. */
struct rm_identity {
    char manufacturer[5];               /* TPM_PT_MANUFACTURER; printable ASCII, as the next one */
    char model[17];                     /* TPM_PT_VENDOR_STRING_1 to _4 */
    uint32_t firmware[2];               /* TPM_PT_FIRMWARE_VERSION_1 and _2 */
    uint32_t revision;                  /* TPM_PT_REVISION: 159 for 1.59; 0: not told */
    uint32_t object_slots;              /* transient objects at a time */
    uint32_t session_slots;             /* loaded sessions at a time */
    uint32_t active_sessions;           /* sessions, loaded and saved */
    uint32_t max_command, max_response; /* bytes */
};
void report_identity(const struct rm *rm, struct rm_identity *identity);

/* The TPM's protection against tried passwords (Part 1, "Dictionary Attack Protection"). */
struct rm_lockout {
    uint32_t counter;          /* TPM_PT_LOCKOUT_COUNTER */
    uint32_t max_tries;        /* TPM_PT_MAX_AUTH_FAIL */
    uint32_t recovery;         /* TPM_PT_LOCKOUT_INTERVAL, seconds */
    uint32_t lockout_recovery; /* TPM_PT_LOCKOUT_RECOVERY, seconds */
    bool in_lockout;           /* TPMA_PERMANENT.inLockout */
};

/* Asks the chip, by one command. False when it does not tell. */
bool report_ask_lockout(struct rm *rm, struct rm_lockout *lockout);
