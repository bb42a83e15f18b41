/* SPDX-License-Identifier: BSD-2-Clause */
/* What the manager counts, since the start. Plain data. */
#pragma once

#include "rm/trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_tpm2_types.h>

/* Why a command was refused by the manager, and not by the chip. */
enum rm_refusal {
    RM_REFUSAL_POLICY,    /* its sender may not send it */
    RM_REFUSAL_PASSWORDS, /* its account's budget of wrong passwords is used up */
    RM_REFUSAL_OBJECTS,   /* a limit of objects is reached */
    RM_REFUSAL_SESSIONS,  /* a limit of sessions is reached, or the chip has no more */
    RM_REFUSAL_HANDLES,   /* it names what is not its sender's */
    RM_REFUSAL_SHARED,    /* with sessions it asks for what others hold, or may have none */
    RM_REFUSAL_LOCALITY,  /* the TPM cannot be given its locality */
    RM_REFUSAL_MALFORMED,
    RM_REFUSAL_MEMORY, /* the daemon has none */
    RM_REFUSAL_TPM,    /* the TPM does not answer, or its answer is none */
    RM_REFUSALS
};

struct rm_statistics {
    uint64_t client_commands;
    uint64_t ways[TRACE_WAYS];                /* of these, those that the chip was not sent */
    uint64_t failures;                        /* of these, those with another code than success */
    uint64_t refusals[RM_REFUSALS];           /* of the failures, those that the manager refused */
    uint64_t chip_commands[TRACE_SENT_KINDS]; /* since there is a manager */
    uint64_t swaps[TRACE_REASONS]; /* what left the chip, or was saved anew (TRACE_FOR_REFRESH) */
};

/* Counts a client's command with the response code `code`, which is not success; `sent` says that
 * the chip was sent the command. */
void statistics_note_failure(struct rm_statistics *statistics, bool sent, uint32_t code);

/* Counts a client's command that was answered with `code`, as `trace` says. */
static inline void statistics_note(struct rm_statistics *statistics, const struct trace *trace,
                                   uint32_t code)
{
    bool sent = trace->sent[TRACE_OWN] > 0;

    if (!sent)
        statistics->ways[trace->way]++;
    if (code != TPM2_RC_SUCCESS)
        statistics_note_failure(statistics, sent, code);
}
