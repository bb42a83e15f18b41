/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "steps.h"

void hierarchies_clear(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "Clear", TPM2_CC_Clear);
    call_handle(model, client, &call,
                random_chance(random, 50) ? TPM2_RH_PLATFORM : TPM2_RH_LOCKOUT);
    auths_add(model, random, client, &call, 0, &auths_open);
    exchange_run(model, client, &call);
}

void hierarchies_change_seed(struct model *model, struct random *random, unsigned client)
{
    bool platform = random_chance(random, 50);
    struct call call;

    call_begin(&call, platform ? "ChangePPS" : "ChangeEPS",
               platform ? TPM2_CC_ChangePPS : TPM2_CC_ChangeEPS);
    call_handle(model, client, &call, TPM2_RH_PLATFORM);
    auths_add(model, random, client, &call, 0, &auths_open);
    exchange_run(model, client, &call);
}

static void control(struct model *model, struct random *random, unsigned client, uint32_t hierarchy,
                    bool on)
{
    struct call call;

    call_begin(&call, on ? "HierarchyControl(on)" : "HierarchyControl(off)",
               TPM2_CC_HierarchyControl);
    call_handle(model, client, &call, on ? TPM2_RH_PLATFORM : hierarchy);
    auths_add(model, random, client, &call, 0, &auths_open);
    call_u32(&call, hierarchy);
    call_u8(&call, on);
    exchange_run(model, client, &call);
}

/* Off, and soon on again: while it is off most of the rest fails. */
void hierarchies_control(struct model *model, struct random *random, unsigned client)
{
    static const uint32_t hierarchies[] = {TPM2_RH_OWNER, TPM2_RH_ENDORSEMENT};
    uint32_t hierarchy = hierarchies[random_below(random, 2)];
    bool off = random_chance(random, 40);

    /* The platform hierarchy comes back with the next reset only. */
    if (random_below(random, 40) == 0)
        hierarchy = TPM2_RH_PLATFORM;
    control(model, random, client, hierarchy, !off);
}

/* The power goes and comes back; with a TPM2_Shutdown(STATE) before, saved contexts live. */
void hierarchies_reset(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    if (!model->setting.resets)
        return;
    if (model->setting.spilling && random_chance(random, 50)) {
        call_begin(&call, "Shutdown(STATE)", TPM2_CC_Shutdown);
        call_u16(&call, TPM2_SU_STATE);
        exchange_run(model, client, &call);
    }
    model_power_cycle(model);
}
