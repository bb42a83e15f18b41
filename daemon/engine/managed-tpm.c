/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/managed-tpm.h"

#include <errno.h>

/* The TPM's other users are looked for before each command that goes to the TPM. */
static void managed_tpm_before_command(void *data)
{
    struct managed_tpm *managed = data;

    reserve_keeper_look(&managed->keeper);
}

int managed_tpm_init(struct managed_tpm *managed, struct loop *loop,
                     const struct managed_tpm_config *config, const struct tcti_waiter *waiter)
{
    int error;

    managed->rm = NULL;
    managed->limits = config->limits;
    idle_init(&managed->idle, loop, config->release_ms, config->sleep_untold);
    error = tpm_link_init(&managed->link, loop, &config->link, waiter, managed_tpm_before_command,
                          managed);
    if (!reserve_keeper_init(&managed->keeper, loop, &managed->idle, &config->reserve,
                             config->link.sys, config->dev))
        return -ENOMEM;
    return error;
}

void managed_tpm_clear(struct managed_tpm *managed)
{
    tpm_link_clear(&managed->link);
    reserve_keeper_clear(&managed->keeper);
}

void managed_tpm_change(struct managed_tpm *managed, int release_ms)
{
    idle_set_release(&managed->idle, release_ms);
}

bool managed_tpm_open(struct managed_tpm *managed, bool *restarted, enum tpm_fault *fault,
                      char text[TPM_FAULT_TEXT])
{
    return tpm_link_open(&managed->link, restarted, fault, text);
}

bool managed_tpm_take(struct managed_tpm *managed, bool inherits, enum tpm_fault *fault,
                      char text[TPM_FAULT_TEXT])
{
    struct chip chip;

    if (!tpm_link_take(&managed->link, inherits, &chip, fault, text))
        return false;
    managed->rm = rm_new(&managed->link.tpm, &chip, &managed->limits);
    if (!managed->rm) {
        *fault = tpm_fault_memory(text);
        return false;
    }
    managed->permanent = chip.permanent;
    if (!inherits)
        rm_set_ledger(managed->rm, tpm_link_ledger(&managed->link));
    reserve_keeper_meet(&managed->keeper, managed->rm);
    reserve_keeper_tell(&managed->keeper);
    return true;
}

void managed_tpm_drop(struct managed_tpm *managed)
{
    reserve_keeper_leave(&managed->keeper);
    rm_free(managed->rm);
    managed->rm = NULL;
}

bool managed_tpm_poll(struct managed_tpm *managed, bool needed, char text[TPM_FAULT_TEXT])
{
    switch (tpm_link_poll(&managed->link, !rm_tpm_lost(managed->rm), needed, text)) {
    case TPM_LINK_AS_BEFORE:
        return true;
    case TPM_LINK_REOPENED:
        reserve_keeper_meet(&managed->keeper, managed->rm);
        return true;
    case TPM_LINK_GONE:
        break;
    }
    return false;
}

bool managed_tpm_serves(const struct managed_tpm *managed)
{
    return managed->rm && tpm_link_is_open(&managed->link) && !rm_tpm_lost(managed->rm);
}

bool managed_tpm_settle(struct managed_tpm *managed)
{
    loop_assert_flat(managed->link.loop);
    return rm_settle(managed->rm);
}

enum idle_progress managed_tpm_clean_up(struct managed_tpm *managed, bool suspending)
{
    struct rm *rm = managed_tpm_serves(managed) ? managed->rm : NULL;

    return idle_step(&managed->idle, rm, suspending, reserve_keeper_sees_others(&managed->keeper));
}

void managed_tpm_order(struct managed_tpm *managed)
{
    idle_order(&managed->idle);
}

bool managed_tpm_empty(struct managed_tpm *managed)
{
    loop_assert_flat(managed->link.loop);
    return managed_tpm_serves(managed) && rm_idle(managed->rm, RM_IDLE_EMPTY) == RM_IDLE_MORE;
}

void managed_tpm_give_back(struct managed_tpm *managed, bool in_time)
{
    bool clean = managed_tpm_serves(managed) && in_time;

    managed_tpm_drop(managed);
    tpm_link_give_back(&managed->link, clean);
}

void managed_tpm_leave(struct managed_tpm *managed, const struct ending *ending)
{
    bool in_time = true;

    while (in_time && managed_tpm_empty(managed))
        in_time = ending_left(ending) > 0;
    managed_tpm_give_back(managed, in_time);
}
