/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/neighbours.h"

void neighbours_meet(struct neighbours *neighbours, const char *sys)
{
    struct kernel_tpm *tpm = &neighbours->tpm;
    bool shared = kernel_find(tpm, sys);

    neighbours->view = (struct reserve_view){
        .shared = shared,
        .kernel_sessions = tpm->keeps_sessions,
        .trusted_keys = tpm->trusted_keys,
        .open = tpm->has_manager,
        .unseen = tpm->has_manager ? "nothing tells" : NULL,
    };
}
