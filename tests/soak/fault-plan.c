/* SPDX-License-Identifier: BSD-2-Clause */
#include "fault-plan.h"

#include "chance.h"

#include <tss2/tss2_tpm2_types.h>

/* What the clients of the soak have the chip do, and what the daemon does for them. */
static const uint32_t codes[] = {
    TPM2_CC_Sign,
    TPM2_CC_ContextLoad,
    TPM2_CC_ContextSave,
    TPM2_CC_FlushContext,
    TPM2_CC_Load,
    TPM2_CC_LoadExternal,
    TPM2_CC_HMAC,
    TPM2_CC_SequenceUpdate,
    TPM2_CC_SequenceComplete,
    TPM2_CC_GetRandom,
    TPM2_CC_CreatePrimary,
    TPM2_CC_StartAuthSession,
    TPM2_CC_PolicyGetDigest,
    TPM2_CC_VerifySignature,
    TPM2_CC_Hash,
};

/* Those that may find the chip full of objects, or of sessions. */
static const uint32_t object_codes[] = {
    TPM2_CC_ContextLoad,  TPM2_CC_CreatePrimary,     TPM2_CC_Load,
    TPM2_CC_LoadExternal, TPM2_CC_HashSequenceStart, TPM2_CC_Sign,
};
static const uint32_t session_codes[] = {TPM2_CC_StartAuthSession, TPM2_CC_ContextLoad};

static const uint32_t busy_answers[] = {TPM2_RC_RETRY, TPM2_RC_TESTING, TPM2_RC_YIELDED};

#define PICK(plan, array) (array)[fault_plan_chance((plan), sizeof(array) / sizeof((array)[0]))]

uint32_t fault_plan_chance(struct fault_plan *plan, uint32_t limit)
{
    return chance_below(&plan->chance, limit);
}

/* Notes a rule, whose hits the counts of commands are going to tell. */
static void add_rule(struct fault_plan *plan, uint32_t code, uint32_t nth, uint32_t times)
{
    plan->rules[plan->rule_count++] = (struct fault_plan_rule){code, nth, times};
}

static void add_answer(struct fault_plan *plan, GString *script, uint32_t code, uint32_t answer)
{
    uint32_t nth = 1 + fault_plan_chance(plan, 20), times = 1 + fault_plan_chance(plan, 3);

    add_rule(plan, code, nth, times);
    g_string_append_printf(script, "code=0x%X nth=%u times=%u rc=0x%X\n", code, nth, times, answer);
}

static void add_busy(struct fault_plan *plan, GString *script)
{
    for (unsigned i = 1 + fault_plan_chance(plan, 3); i > 0; i--)
        add_answer(plan, script, PICK(plan, codes), PICK(plan, busy_answers));
}

static void add_full(struct fault_plan *plan, GString *script)
{
    for (unsigned i = 1 + fault_plan_chance(plan, 3); i > 0; i--) {
        if (fault_plan_chance(plan, 2))
            add_answer(plan, script, PICK(plan, object_codes), TPM2_RC_OBJECT_MEMORY);
        else
            add_answer(plan, script, PICK(plan, session_codes), TPM2_RC_SESSION_MEMORY);
    }
}

static void add_slow(struct fault_plan *plan, GString *script)
{
    uint32_t code = PICK(plan, codes), nth = 1 + fault_plan_chance(plan, 20);

    add_rule(plan, code, nth, 1);
    g_string_append_printf(script, "code=0x%X nth=%u delay=%u\n", code, nth,
                           20 + fault_plan_chance(plan, 400));
}

/* It breaks again as soon as it is back and as many commands went through. */
static void add_break(struct fault_plan *plan, GString *script)
{
    if (fault_plan_chance(plan, 2))
        g_string_append_printf(script, "code=* nth=%u drop\n", 300 + fault_plan_chance(plan, 3000));
    else
        g_string_append_printf(script, "code=0x%X nth=%u drop\n", PICK(plan, codes),
                               60 + fault_plan_chance(plan, 300));
}

static void add_spoilt(struct fault_plan *plan, GString *script)
{
    uint32_t code = PICK(plan, codes), nth = 1 + fault_plan_chance(plan, 20);

    add_rule(plan, code, nth, 1);
    if (fault_plan_chance(plan, 2))
        g_string_append_printf(script, "code=0x%X nth=%u garbage\n", code, nth);
    else
        g_string_append_printf(script, "code=0x%X nth=%u cut=%u\n", code, nth,
                               fault_plan_chance(plan, 30));
}

/* Counts what the rules of the period did. */
static void settle(struct fault_plan *plan, const struct counts *now)
{
    for (unsigned i = 0; i < plan->rule_count; i++) {
        const struct fault_plan_rule *rule = &plan->rules[i];
        uint64_t seen = counts_between(&plan->before, now, rule->code);

        if (seen >= rule->nth)
            plan->injected += MIN(seen - rule->nth + 1, rule->times);
    }
    plan->rule_count = 0;
}

bool fault_plan_next(struct fault_plan *plan, const struct world *world, bool quiet)
{
    GString *script = g_string_new("");
    bool written;
    struct counts now;

    counts_read(world->counts, &now);
    settle(plan, &now);
    plan->before = now;
    if (!quiet) {
        switch (fault_plan_chance(plan, plan->lossy ? 7 : 6)) {
        case 0:
        case 1:
            add_busy(plan, script);
            break;
        case 2:
            add_full(plan, script);
            break;
        case 3:
            add_slow(plan, script);
            break;
        case 4:
            add_break(plan, script);
            break;
        case 6:
            add_spoilt(plan, script);
            break;
        default: /* a quiet one */
            break;
        }
    }
    written = world_set_faults(world, script->str);
    g_string_free(script, TRUE);
    return written;
}
