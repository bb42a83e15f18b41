/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/transaction.h"

#include "rm/rc.h"
#include "wire/response.h"

static bool is_busy(uint32_t code)
{
    return code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING;
}

static bool is_response(const struct transaction *transaction)
{
    return transaction->response_size >= HEADER_SIZE
           && transaction->response_size <= transaction->capacity
           && header_load(transaction->response).size == transaction->response_size;
}

/* Whether the code proves that the chip did not run the command: it is busy, has no room, wants to
 * be started, or has not what the command names. */
static bool was_not_run(uint32_t code)
{
    return is_busy(code) || code == TPM2_RC_INITIALIZE
           || (code >= TPM2_RC_CONTEXT_GAP && code <= TPM2_RC_OBJECT_HANDLES)
           || (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6);
}

/* The only place that sends to the chip. */
static uint32_t exchange(struct transaction *transaction, struct rm_tpm *tpm)
{
    transaction->sent++;
    transaction->error =
        tpm->transact(tpm, transaction->locality, transaction->command, transaction->size,
                      transaction->response, transaction->capacity, &transaction->response_size);
    transaction->answered = transaction->error == 0 && is_response(transaction);
    if (transaction->answered)
        return header_load(transaction->response).code;
    transaction->response_size = response_build_code(transaction->response, RM_RC_FAILURE);
    return RM_RC_FAILURE;
}

/* What was noted by now is valid before the chip gets the command. */
static uint32_t send_once(struct transaction *transaction, struct rm_tpm *tpm)
{
    uint32_t code;

    if (transaction->is_run)
        journal_run_phase(transaction->journal, RUN_SENT);
    journal_commit(transaction->journal);
    code = exchange(transaction, tpm);
    if (transaction->is_run && transaction->answered && was_not_run(code))
        journal_run_phase(transaction->journal, RUN_TAKEN);
    return code;
}

uint32_t transaction_run(struct transaction *transaction, struct rm_tpm *tpm)
{
    uint32_t code = send_once(transaction, tpm);

    for (unsigned attempt = 1; is_busy(code) && tpm->backoff(tpm, attempt); attempt++)
        code = send_once(transaction, tpm);
    return code;
}
