/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that somebody may send, judged by command code and handle area, which no session
 * encrypts. Plain data that is made once and shared; a byte for each command says what stands in
 * its way, 0 for nothing. Libc and the specification's numbers only; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_tpm2_types.h>

/* From the mildest. */
enum policy_preset {
    POLICY_OPEN,     /* everything */
    POLICY_STANDARD, /* what no known program needs is refused */
    POLICY_GUARDED,  /* and an empty authorization of a hierarchy authorizes nothing that matters */
    POLICY_STRICT,   /* what uses the TPM without changing it for others */
    POLICY_PRESETS
};

/* What stands in a command's way, as bits of a rule. */
#define POLICY_DENIED      UINT8_C(0x01) /* it is refused */
#define POLICY_NO_PLATFORM UINT8_C(0x02) /* with TPM_RH_PLATFORM among its handles */
#define POLICY_GUARDED_BY  UINT8_C(0x04) /* while its hierarchy's authorization is empty */
#define POLICY_FREE_PCRS \
    UINT8_C(0x08) /* with another PCR than 16 and 23, which programs may reset */

/* Commands of the TPM 2.0 Library that have a rule of their own, from TPM2_CC_FIRST on, and those
 * beyond and of vendors that may have one. */
#define POLICY_CODES  256
#define POLICY_OTHERS 16

struct policy_other {
    uint32_t code; /* TPM_CC */
    uint8_t rule;
};

struct policy {
    uint8_t rules[POLICY_CODES]; /* by TPM_CC, from TPM2_CC_FIRST on */
    uint8_t unknown, vendor;     /* rules of all others, and of those with the vendor bit */
    bool counts_tries;           /* wrong passwords have a budget (rm/tries.h) */
    uint8_t other_count;
    struct policy_other others[POLICY_OTHERS];
};

/* A preset's policy. */
struct policy policy_preset(enum policy_preset preset);

/* Whether the two say the same of every command; codes beyond the Library in the same order. */
bool policy_is_same(const struct policy *a, const struct policy *b);

/* The preset's name; the preset of a name, or POLICY_PRESETS. */
const char *policy_preset_name(enum policy_preset preset);
enum policy_preset policy_preset_find(const char *name);

/* What people call a policy: the preset that it is, or "custom"; static. */
const char *policy_name(const struct policy *policy);

/*
 * Permits a command in any case, whatever its handles, or refuses it in any case; the one that is
 * called last holds. False when a code that is not in the Library has no room.
 */
bool policy_allow(struct policy *policy, uint32_t code);
bool policy_deny(struct policy *policy, uint32_t code);

/* Permits in any case what `commands` refuses in any case. What has no room stays as it is. */
void policy_exempt(struct policy *policy, const struct policy *commands);

/* Adds what stands in the way by `other`: what is left is permitted by both. What has no room is
 * refused. */
void policy_join(struct policy *policy, const struct policy *other);

/* The rule of a command beyond the Library's. */
uint8_t policy_other_rule(const struct policy *policy, uint32_t code);

/* The rule of a command: one look into a table. */
static inline uint8_t policy_rule(const struct policy *policy, uint32_t code)
{
    uint32_t index = code - TPM2_CC_FIRST;

    return index < POLICY_CODES ? policy->rules[index] : policy_other_rule(policy, code);
}

/*
 * Whether the policy permits a command with these handles: 0, or the bit that refuses it.
 * `permanent` is the TPM's TPMA_PERMANENT, by which POLICY_GUARDED_BY is judged.
 */
uint8_t policy_judge(const struct policy *policy, uint32_t code, const uint32_t *handles,
                     unsigned handle_count, uint32_t permanent);
