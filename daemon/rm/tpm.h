/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TPM as the resource manager sees it: an interface that answers one command at a time. The
 * manager does not know whether a TCTI, libtpms in the same process or a script is behind the
 * interface.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The condition of the TPM by its last answer. */
enum tpm_condition {
    TPM_SERVING,
    TPM_LOST,         /* there was no answer */
    TPM_FAILURE_MODE, /* two commands are answered (Part 1, "Failure Mode"); of our own it is only
                       * asked whether it still refuses the others */
};

struct rm_tpm {
    /*
     * Sends `size` bytes of `command` under `locality` and waits for the answer, of which up to
     * `capacity` bytes go to `response` and the count to *response_size. Returns 0, or a negative
     * errno when no answer came: the transport is broken, or the answer did not fit (-EMSGSIZE).
     * Checks nothing of the answer. `command` and `response` do not overlap.
     */
    int (*transact)(struct rm_tpm *tpm, uint8_t locality, const uint8_t *command, size_t size,
                    uint8_t *response, size_t capacity, size_t *response_size);
    /*
     * Waits before try number `attempt` (1, 2, ...) of a command that the TPM was too busy for
     * (TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING). False when the command is not to be tried
     * again.
     */
    bool (*backoff)(struct rm_tpm *tpm, unsigned attempt);
};
