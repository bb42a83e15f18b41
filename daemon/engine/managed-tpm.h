/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TPM under the resource manager: taken over, with room kept for its other users, cleaned up
 * when it is quiet, opened again when it was lost, and given back empty.
 *
 * Nothing here may be called from inside of a TPM command, but for what is said to be.
 */
#pragma once

#include "engine/ending.h"
#include "engine/idle.h"
#include "engine/reserve-keeper.h"
#include "engine/tpm-link.h"

struct managed_tpm_config {
    struct tpm_link_config link;
    struct rm_limits limits; /* of clients at first */
    struct reserve_rule reserve;
    const char *dev;   /* where the device nodes are */
    int release_ms;    /* as in struct idle */
    bool sleep_untold; /* as in struct idle */
};

struct managed_tpm {
    struct tpm_link link;
    struct rm *rm; /* NULL until it is taken over */
    struct rm_limits limits;
    uint32_t permanent; /* TPMA_PERMANENT when it was taken over */
    struct reserve_keeper keeper;
    struct idle idle;
};

/* Copies the configuration. `waiter` is what goes on while the TPM works. 0, or a negative errno:
 * then managed_tpm_clear() is due all the same. */
int managed_tpm_init(struct managed_tpm *managed, struct loop *loop,
                     const struct managed_tpm_config *config, const struct tcti_waiter *waiter);

/* After managed_tpm_give_back(), or where it was never taken over. */
void managed_tpm_clear(struct managed_tpm *managed);

/* Another quiet time, as in struct idle. Also inside of a TPM command. */
void managed_tpm_change(struct managed_tpm *managed, int release_ms);

/* Opens the TPM; *restarted as in tpm_link_open(). False with the fault and a sentence. */
bool managed_tpm_open(struct managed_tpm *managed, bool *restarted, enum tpm_fault *fault,
                      char text[TPM_FAULT_TEXT]);

/* Makes the manager of the open TPM, without a journal, and without a record of sessions where it
 * `inherits` as in tpm_link_take(). False as above. */
bool managed_tpm_take(struct managed_tpm *managed, bool inherits, enum tpm_fault *fault,
                      char text[TPM_FAULT_TEXT]);

/* Frees the manager, so that it can be taken anew. */
void managed_tpm_drop(struct managed_tpm *managed);

/* Tries to get a lost TPM back, when it is time for that. False with a sentence when its device is
 * gone, and it is not `needed`: nobody waits for it to come back. */
bool managed_tpm_poll(struct managed_tpm *managed, bool needed, char text[TPM_FAULT_TEXT]);

/* Whether the TPM serves. Also inside of a TPM command. */
bool managed_tpm_serves(const struct managed_tpm *managed);

/* One chip command that makes the room again which a command took of what is kept for the TPM's
 * other users. False when there is nothing to make. */
bool managed_tpm_settle(struct managed_tpm *managed);

/* One chip command of cleaning up; `suspending` is for the machine's sleep. */
enum idle_progress managed_tpm_clean_up(struct managed_tpm *managed, bool suspending);

/* Has clean-up leave the TPM empty without a quiet time. Also inside of a TPM command. */
void managed_tpm_order(struct managed_tpm *managed);

/* One chip command of leaving nothing in the TPM. False when there is nothing left, or nothing that
 * can be done. */
bool managed_tpm_empty(struct managed_tpm *managed);

/* Ends the manager, whose clients must be gone, and closes the TPM; `in_time` says that there is
 * time to flush what sessions are left. */
void managed_tpm_give_back(struct managed_tpm *managed, bool in_time);

/* The same with nothing of ours left in the TPM, if it answers until the end. */
void managed_tpm_leave(struct managed_tpm *managed, const struct ending *ending);
