/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command to the TPM and its answer. All that is sent goes through here, whether there is a
 * manager already or not: repetitions while the TPM is busy, the check that the answer is a
 * response, and the count of what was sent. What an answer tells of the TPM is noted above
 * (transact.h).
 */
#pragma once

#include "rm/journal.h"
#include "rm/tpm.h"

/* `size` bytes of `command` go to the TPM, up to `capacity` bytes of the answer to `response`; both
 * are borrowed. The members below are the outcome. */
struct transaction {
    uint8_t locality;
    const uint8_t *command;
    size_t size;
    uint8_t *response;
    size_t capacity;
    struct journal *journal; /* is committed before each try; NULL: there is none */
    bool is_run;             /* it is the client's command whose run the journal has */

    size_t response_size; /* HEADER_SIZE at the least; the response's size field agrees with it */
    unsigned sent;        /* how often the command was sent */
    int error;            /* negative errno of rm_tpm.transact(), or 0 */
    bool answered;        /* there was no error, and the answer is a response */
};

/*
 * Sends the command and gives the answer's response code. RM_RC_FAILURE stands for no answer, or
 * for an answer that is no response; the response buffer has the same code then. A command with the
 * answer TPM_RC_RETRY, _YIELDED or _TESTING is sent again for as long as rm_tpm.backoff() agrees.
 */
uint32_t transaction_run(struct transaction *transaction, struct rm_tpm *tpm);
