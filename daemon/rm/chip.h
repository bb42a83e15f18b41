/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the chip says about itself: its sizes, its slots, its commands. Read once when the daemon
 * takes the TPM over, and again when the TPM was reset. Plain data.
 */
#pragma once

#include "rm/ledger.h"
#include "rm/tpm.h"
#include "rm/tries.h"
#include "wire/command-table.h"

#define CHIP_MIN_BUFFER 4096   /* buffers are never smaller, whatever the chip says */
#define CHIP_MAX_BUFFER 262144 /* nor larger; a chip that claims more is not believed */

/* What the chip says that it is, as it says it. */
struct chip_identity {
    uint32_t manufacturer; /* TPM_PT_MANUFACTURER: four characters */
    uint32_t vendor[4];    /* TPM_PT_VENDOR_STRING_1 to _4: four characters each */
    uint32_t firmware[2];  /* TPM_PT_FIRMWARE_VERSION_1 and _2 */
    uint32_t revision;     /* TPM_PT_REVISION: 159 for 1.59 */
};

struct chip {
    struct chip_identity identity;
    uint32_t max_command;     /* TPM_PT_MAX_COMMAND_SIZE, bytes */
    uint32_t max_response;    /* TPM_PT_MAX_RESPONSE_SIZE, bytes */
    uint32_t object_slots;    /* transient objects that fit into the empty chip */
    uint32_t session_slots;   /* sessions that can be loaded at a time */
    uint32_t active_sessions; /* sessions, loaded and saved, that the chip tracks */
    uint32_t context_gap;     /* TPM_PT_CONTEXT_GAP_MAX */
    uint32_t reset_count;     /* TPMS_CLOCK_INFO.resetCount: TPM Resets so far */
    uint32_t permanent;       /* TPMA_PERMANENT: which hierarchies have an authorization */
    struct tries_rule tries;
    struct command_table commands;
    bool audited[COMMAND_TABLE_MAX]; /* by position there: the chip audits the command */
};

enum chip_error {
    CHIP_OK,
    CHIP_ERROR_TRANSPORT, /* no answer; *detail is the negative errno of transact() */
    CHIP_ERROR_CODE,      /* the TPM refused; *detail is its TPM_RC */
    CHIP_ERROR_MALFORMED, /* an answer that cannot be parsed */
    CHIP_ERROR_TPM12,     /* a TPM 1.2 */
};

/* TPM2_Startup(CLEAR); a TPM that is started already is fine. *restarted, unless NULL, says that it
 * was not: it was reset before. */
enum chip_error chip_startup(struct rm_tpm *tpm, bool *restarted, int64_t *detail);

/* Reads the properties and the command table of a started TPM whose object slots hold only what
 * chip_flush_leftovers() left there. A TPM in failure mode gives CHIP_ERROR_CODE with 0x101. */
enum chip_error chip_read(struct chip *chip, struct rm_tpm *tpm, int64_t *detail);

/* Learns resetCount from a successful answer to TPM2_ReadClock; chip_read() has read it once. False
 * when the answer is none. */
bool chip_learn_clock(struct chip *chip, const uint8_t *response, size_t size);

/* Flushes what a former user left: all transient objects, and with `sessions` all loaded and
 * saved sessions too. *flushed counts them. */
enum chip_error chip_flush_leftovers(struct rm_tpm *tpm, bool sessions, unsigned *flushed,
                                     int64_t *detail);

/* Flushes all sessions, loaded and saved, but those in the ledger. *flushed counts them. */
enum chip_error chip_flush_sessions_of_others(struct rm_tpm *tpm, const struct ledger *ours,
                                              unsigned *flushed, int64_t *detail);

/* Flushes the sessions in the ledger of a daemon that was killed. If that daemon was starting a
 * session, all loaded sessions are flushed: other users of the chip leave none loaded. */
enum chip_error chip_flush_recorded(struct rm_tpm *tpm, const struct ledger *ledger,
                                    unsigned *flushed, int64_t *detail);
