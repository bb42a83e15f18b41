/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command of the manager to the chip, and what its answer tells of the chip: that it serves, is
 * lost, failed, or was reset.
 */
#pragma once

#include "rm/state.h"

/* Sends a command and gives the answer's response code, as transaction_run() does. The response
 * buffer has rm->response_capacity bytes, and *response_size of them are the response. */
uint32_t rm_transact(struct rm *rm, uint8_t locality, const uint8_t *command, size_t size,
                     uint8_t *response, size_t *response_size);

/* The same for a command of our own that was built in rm->own_command; the answer is in
 * rm->own_response. */
uint32_t rm_transact_own(struct rm *rm, size_t size, size_t *response_size);

/*
 * Asks a TPM that was in failure mode whether it still is, by the command that tells and that the
 * TPM answers in that mode too (Part 3, TPM2_GetTestResult). The TPM may have been reset meanwhile,
 * and the clients may send only commands that need something loaded first. 0 when the TPM works
 * again, which is noted; else the code that the TPM gave, or TPM_RC_FAILURE if that is its test
 * result.
 */
uint32_t rm_transact_ask_failed(struct rm *rm);
