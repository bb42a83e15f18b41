/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/transact.h"

#include "base/log.h"
#include "rm/doubt.h"
#include "rm/rc.h"
#include "rm/transaction.h"

#include <string.h>

/* Whose command the chip works for. */
static struct log_about requester(const struct rm *rm)
{
    return rm->requester ? rm_client_about(rm->requester) : LOG_NOBODY;
}

/* The command may have been carried out all the same. */
static void note_no_answer(struct rm *rm, int error)
{
    if (error == 0)
        log_event(LOG_EVENT_TPM_ANSWER_BAD, requester(rm),
                  "the TPM gave an answer that is no TPM response; the command failed");
    else if (rm->condition != TPM_LOST)
        log_event(LOG_EVENT_TPM_SILENT, requester(rm),
                  "the TPM does not answer (%s); commands fail until it is back", strerror(-error));
    if (error != 0)
        rm->condition = TPM_LOST;
    doubt_books(rm, "a command got no answer");
}

/* A TPM in failure mode answers two commands and refuses all others (Part 1, "Failure Mode"). */
static bool ends_failure_mode(uint32_t command_code, uint32_t code)
{
    return code == TPM2_RC_SUCCESS && command_code != TPM2_CC_GetTestResult
           && command_code != TPM2_CC_GetCapability;
}

static void note_answer(struct rm *rm, uint32_t command_code, uint32_t code)
{
    if (code == TPM2_RC_FAILURE) {
        if (rm->condition != TPM_FAILURE_MODE)
            log_event(LOG_EVENT_TPM_FAILURE, requester(rm),
                      "the TPM is in failure mode and needs a reset of the machine; only "
                      "GetTestResult and GetCapability work until then");
        rm->condition = TPM_FAILURE_MODE;
    } else if (rm->condition != TPM_FAILURE_MODE || ends_failure_mode(command_code, code)) {
        rm->condition = TPM_SERVING;
    }
}

uint32_t rm_transact(struct rm *rm, uint8_t locality, const uint8_t *command, size_t size,
                     uint8_t *response, size_t *response_size)
{
    struct transaction transaction = {.locality = locality,
                                      .command = command,
                                      .size = size,
                                      .response = response,
                                      .capacity = rm->response_capacity,
                                      .journal = rm->journal,
                                      .is_run = command != rm->own_command || rm->own_is_clients};
    uint32_t command_code = header_load(command).code;
    uint32_t code = transaction_run(&transaction, rm->tpm);
    enum trace_sent kind;

    *response_size = transaction.response_size;
    rm->stats.chip_commands += transaction.sent;
    kind = trace_sent(&rm->trace, command != rm->own_command, command_code, transaction.sent);
    rm->statistics.chip_commands[kind] += transaction.sent;
    if (!transaction.answered) {
        note_no_answer(rm, transaction.error);
        return code;
    }
    note_answer(rm, command_code, code);
    /* The chip was reset: nothing in it is what the books say. */
    if (code == TPM2_RC_INITIALIZE && command_code != TPM2_CC_Startup)
        doubt_books(rm, "the TPM was reset");
    return code;
}

uint32_t rm_transact_own(struct rm *rm, size_t size, size_t *response_size)
{
    return rm_transact(rm, 0, rm->own_command, size, rm->own_response, response_size);
}

uint32_t rm_transact_ask_failed(struct rm *rm)
{
    size_t size;
    uint32_t code;

    header_store(rm->own_command, TPM2_ST_NO_SESSIONS, HEADER_SIZE, TPM2_CC_GetTestResult);
    code = rm_transact_own(rm, HEADER_SIZE, &size);
    if (code != TPM2_RC_SUCCESS)
        return code;
    /* outData (TPM2B_MAX_BUFFER), testResult (TPM_RC) */
    if (size < HEADER_SIZE + 2 + 4
        || size != HEADER_SIZE + 2 + (size_t)load_be16(rm->own_response + HEADER_SIZE) + 4)
        return TPM2_RC_FAILURE;
    if (load_be32(rm->own_response + size - 4) == TPM2_RC_FAILURE)
        return TPM2_RC_FAILURE;
    rm->condition = TPM_SERVING;
    return TPM2_RC_SUCCESS;
}
