/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/policy.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Commands that not every tpm2-tss has a name for. */
#define CC_ECC_ENCRYPT       0x199
#define CC_ECC_DECRYPT       0x19A
#define CC_POLICY_CAPABILITY 0x19B
#define CC_POLICY_PARAMETERS 0x19C
#define CC_NV_READ_PUBLIC_2  0x19E
#define CC_SET_CAPABILITY    0x19F
#define CC_READ_ONLY_CONTROL 0x1A0
#define CC_POLICY_TRANSPORT  0x1A1

/* Hierarchies that it may not know either. */
#define RH_FW_PLATFORM       UINT32_C(0x40000142)
#define RH_SVN_PLATFORM_BASE UINT32_C(0x40030000)

/* Firmware, the platform's own, and what all users of the chip share. */
static const uint32_t denied_by_standard[] = {
    TPM2_CC_FieldUpgradeStart, TPM2_CC_FieldUpgradeData, TPM2_CC_FirmwareRead,
    TPM2_CC_PP_Commands,       TPM2_CC_SetAlgorithmSet,  TPM2_CC_PCR_Allocate,
    TPM2_CC_PCR_SetAuthPolicy, TPM2_CC_ChangePPS,        TPM2_CC_ChangeEPS,
    TPM2_CC_ClockSet,          TPM2_CC_ClockRateAdjust,  TPM2_CC_ACT_SetTimeout,
    TPM2_CC_Shutdown,          CC_SET_CAPABILITY,        CC_READ_ONLY_CONTROL,
};

/* What the authorization of a hierarchy, the first handle, is for. */
static const uint32_t guarded[] = {
    TPM2_CC_Clear,
    TPM2_CC_ClearControl,
    TPM2_CC_HierarchyControl,
    TPM2_CC_HierarchyChangeAuth,
    TPM2_CC_SetPrimaryPolicy,
    TPM2_CC_DictionaryAttackParameters,
    TPM2_CC_DictionaryAttackLockReset,
    TPM2_CC_SetCommandCodeAuditStatus,
    TPM2_CC_NV_GlobalWriteLock,
};

static const uint32_t permitted_by_strict[] = {
    /* the TPM itself */
    TPM2_CC_Startup,
    TPM2_CC_SelfTest,
    TPM2_CC_IncrementalSelfTest,
    TPM2_CC_GetTestResult,
    TPM2_CC_GetCapability,
    TPM2_CC_AC_GetCapability,
    TPM2_CC_TestParms,
    TPM2_CC_ReadClock,
    TPM2_CC_GetRandom,
    TPM2_CC_StirRandom,
    /* objects */
    TPM2_CC_CreatePrimary,
    TPM2_CC_Create,
    TPM2_CC_CreateLoaded,
    TPM2_CC_Load,
    TPM2_CC_LoadExternal,
    TPM2_CC_ReadPublic,
    TPM2_CC_ObjectChangeAuth,
    TPM2_CC_Unseal,
    TPM2_CC_MakeCredential,
    TPM2_CC_ActivateCredential,
    TPM2_CC_Duplicate,
    TPM2_CC_Rewrap,
    TPM2_CC_Import,
    TPM2_CC_ContextSave,
    TPM2_CC_ContextLoad,
    TPM2_CC_FlushContext,
    /* cryptography */
    TPM2_CC_RSA_Encrypt,
    TPM2_CC_RSA_Decrypt,
    TPM2_CC_ECC_Parameters,
    TPM2_CC_ECDH_KeyGen,
    TPM2_CC_ECDH_ZGen,
    TPM2_CC_ZGen_2Phase,
    TPM2_CC_EC_Ephemeral,
    TPM2_CC_Commit,
    TPM2_CC_EncryptDecrypt,
    TPM2_CC_EncryptDecrypt2,
    TPM2_CC_Hash,
    TPM2_CC_HMAC,
    TPM2_CC_HMAC_Start,
    TPM2_CC_HashSequenceStart,
    TPM2_CC_SequenceUpdate,
    TPM2_CC_SequenceComplete,
    TPM2_CC_EventSequenceComplete,
    TPM2_CC_Sign,
    TPM2_CC_VerifySignature,
    CC_ECC_ENCRYPT,
    CC_ECC_DECRYPT,
    /* sessions and policy */
    TPM2_CC_StartAuthSession,
    TPM2_CC_PolicyRestart,
    TPM2_CC_PolicySigned,
    TPM2_CC_PolicySecret,
    TPM2_CC_PolicyTicket,
    TPM2_CC_PolicyOR,
    TPM2_CC_PolicyPCR,
    TPM2_CC_PolicyLocality,
    TPM2_CC_PolicyNV,
    TPM2_CC_PolicyCounterTimer,
    TPM2_CC_PolicyCommandCode,
    TPM2_CC_PolicyPhysicalPresence,
    TPM2_CC_PolicyCpHash,
    TPM2_CC_PolicyNameHash,
    TPM2_CC_PolicyDuplicationSelect,
    TPM2_CC_PolicyAuthorize,
    TPM2_CC_PolicyAuthValue,
    TPM2_CC_PolicyPassword,
    TPM2_CC_PolicyGetDigest,
    TPM2_CC_PolicyNvWritten,
    TPM2_CC_PolicyTemplate,
    TPM2_CC_PolicyAuthorizeNV,
    TPM2_CC_Policy_AC_SendSelect,
    CC_POLICY_CAPABILITY,
    CC_POLICY_PARAMETERS,
    CC_POLICY_TRANSPORT,
    /* attestation */
    TPM2_CC_Certify,
    TPM2_CC_CertifyCreation,
    TPM2_CC_CertifyX509,
    TPM2_CC_Quote,
    TPM2_CC_GetTime,
    TPM2_CC_GetSessionAuditDigest,
    TPM2_CC_GetCommandAuditDigest,
    TPM2_CC_NV_Certify,
    /* NV indices that there are */
    TPM2_CC_NV_ReadPublic,
    TPM2_CC_NV_Read,
    TPM2_CC_NV_ReadLock,
    TPM2_CC_NV_Write,
    TPM2_CC_NV_WriteLock,
    TPM2_CC_NV_Increment,
    TPM2_CC_NV_SetBits,
    TPM2_CC_NV_Extend,
    TPM2_CC_NV_ChangeAuth,
    CC_NV_READ_PUBLIC_2,
    /* PCRs */
    TPM2_CC_PCR_Read,
    TPM2_CC_PCR_Extend,
    TPM2_CC_PCR_Event,
    TPM2_CC_PCR_Reset,
};

/* Commands that change the PCR that is their first handle. */
static const uint32_t change_pcr[] = {
    TPM2_CC_PCR_Extend,
    TPM2_CC_PCR_Event,
    TPM2_CC_PCR_Reset,
    TPM2_CC_EventSequenceComplete,
};

static uint8_t *rule_of(struct policy *policy, uint32_t code)
{
    return &policy->rules[code - TPM2_CC_FIRST];
}

static void add_rule(struct policy *policy, const uint32_t *codes, size_t count, uint8_t rule)
{
    for (size_t i = 0; i < count; i++)
        *rule_of(policy, codes[i]) |= rule;
}

static void make_standard(struct policy *policy)
{
    memset(policy->rules, POLICY_NO_PLATFORM, sizeof(policy->rules));
    add_rule(policy, denied_by_standard, COUNT(denied_by_standard), POLICY_DENIED);
    policy->unknown = POLICY_NO_PLATFORM;
    policy->vendor = POLICY_DENIED;
    policy->counts_tries = true;
}

static void make_strict(struct policy *policy)
{
    memset(policy->rules, POLICY_DENIED, sizeof(policy->rules));
    policy->unknown = policy->vendor = POLICY_DENIED;
    for (size_t i = 0; i < COUNT(permitted_by_strict); i++)
        *rule_of(policy, permitted_by_strict[i]) = POLICY_NO_PLATFORM;
    add_rule(policy, change_pcr, COUNT(change_pcr), POLICY_FREE_PCRS);
    policy->counts_tries = true;
}

struct policy policy_preset(enum policy_preset preset)
{
    struct policy policy = {0};

    switch (preset) {
    case POLICY_OPEN:
    case POLICY_PRESETS:
        break;
    case POLICY_STANDARD:
        make_standard(&policy);
        break;
    case POLICY_GUARDED:
        make_standard(&policy);
        add_rule(&policy, guarded, COUNT(guarded), POLICY_GUARDED_BY);
        break;
    case POLICY_STRICT:
        make_strict(&policy);
        break;
    }
    return policy;
}

static const char *const preset_names[POLICY_PRESETS] = {
    [POLICY_OPEN] = "open",
    [POLICY_STANDARD] = "standard",
    [POLICY_GUARDED] = "guarded",
    [POLICY_STRICT] = "strict",
};

const char *policy_preset_name(enum policy_preset preset)
{
    return preset_names[preset];
}

enum policy_preset policy_preset_find(const char *name)
{
    enum policy_preset preset = POLICY_OPEN;

    while (preset < POLICY_PRESETS && strcmp(preset_names[preset], name) != 0)
        preset++;
    return preset;
}

bool policy_is_same(const struct policy *a, const struct policy *b)
{
    if (memcmp(a->rules, b->rules, sizeof(a->rules)) != 0 || a->unknown != b->unknown
        || a->vendor != b->vendor || a->counts_tries != b->counts_tries
        || a->other_count != b->other_count)
        return false;
    for (unsigned i = 0; i < a->other_count; i++) {
        if (a->others[i].code != b->others[i].code || a->others[i].rule != b->others[i].rule)
            return false;
    }
    return true;
}

const char *policy_name(const struct policy *policy)
{
    for (enum policy_preset preset = POLICY_OPEN; preset < POLICY_PRESETS; preset++) {
        const struct policy candidate = policy_preset(preset);

        if (policy_is_same(policy, &candidate))
            return preset_names[preset];
    }
    return "custom";
}

static struct policy_other *find_other(const struct policy *policy, uint32_t code)
{
    for (unsigned i = 0; i < policy->other_count; i++) {
        if (policy->others[i].code == code)
            return (struct policy_other *)&policy->others[i];
    }
    return NULL;
}

uint8_t policy_other_rule(const struct policy *policy, uint32_t code)
{
    const struct policy_other *other = find_other(policy, code);

    if (other)
        return other->rule;
    return code & TPMA_CC_V ? policy->vendor : policy->unknown;
}

static bool set_rule(struct policy *policy, uint32_t code, uint8_t rule)
{
    struct policy_other *other;

    if (code - TPM2_CC_FIRST < POLICY_CODES) {
        *rule_of(policy, code) = rule;
        return true;
    }
    other = find_other(policy, code);
    if (!other && policy->other_count == POLICY_OTHERS)
        return false;
    if (!other)
        other = &policy->others[policy->other_count++];
    *other = (struct policy_other){code, rule};
    return true;
}

bool policy_allow(struct policy *policy, uint32_t code)
{
    return set_rule(policy, code, 0);
}

bool policy_deny(struct policy *policy, uint32_t code)
{
    return set_rule(policy, code, POLICY_DENIED);
}

void policy_exempt(struct policy *policy, const struct policy *commands)
{
    for (unsigned i = 0; i < POLICY_CODES; i++) {
        if (commands->rules[i] & POLICY_DENIED)
            policy->rules[i] = 0;
    }
    for (unsigned i = 0; i < commands->other_count; i++) {
        if (commands->others[i].rule & POLICY_DENIED)
            policy_allow(policy, commands->others[i].code);
    }
}

/* What has no room for a rule of its own makes that of its kind stricter. */
static void join_others(struct policy *policy, const struct policy *before,
                        const struct policy *other, const struct policy *listed)
{
    for (unsigned i = 0; i < listed->other_count; i++) {
        uint32_t code = listed->others[i].code;
        uint8_t rule = policy_other_rule(before, code) | policy_other_rule(other, code);

        if (!set_rule(policy, code, rule))
            *(code & TPMA_CC_V ? &policy->vendor : &policy->unknown) |= rule;
    }
}

void policy_join(struct policy *policy, const struct policy *other)
{
    const struct policy before = *policy;

    for (unsigned i = 0; i < POLICY_CODES; i++)
        policy->rules[i] |= other->rules[i];
    policy->unknown |= other->unknown;
    policy->vendor |= other->vendor;
    policy->counts_tries |= other->counts_tries;
    join_others(policy, &before, other, &before);
    join_others(policy, &before, other, other);
}

/* The platform's hierarchy, and what is limited to a firmware of it (Part 2, "TPM_RH"). */
static bool is_platform(uint32_t handle)
{
    return handle == TPM2_RH_PLATFORM || handle == RH_FW_PLATFORM
           || handle >> 16 == RH_SVN_PLATFORM_BASE >> 16;
}

static bool names_platform(const uint32_t *handles, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_platform(handles[i]))
            return true;
    }
    return false;
}

/* The PCRs that any program may reset (PC Client Platform TPM Profile), or none. */
static bool is_free_pcr(uint32_t handle)
{
    return handle == 16 || handle == 23 || handle == TPM2_RH_NULL;
}

/* Whether the authorization of a hierarchy is not empty; that of what has no such bit may be. */
static bool is_authorization_set(uint32_t handle, uint32_t permanent)
{
    switch (handle) {
    case TPM2_RH_OWNER:
        return permanent & TPMA_PERMANENT_OWNERAUTHSET;
    case TPM2_RH_ENDORSEMENT:
        return permanent & TPMA_PERMANENT_ENDORSEMENTAUTHSET;
    case TPM2_RH_LOCKOUT:
        return permanent & TPMA_PERMANENT_LOCKOUTAUTHSET;
    default:
        return false;
    }
}

uint8_t policy_judge(const struct policy *policy, uint32_t code, const uint32_t *handles,
                     unsigned handle_count, uint32_t permanent)
{
    uint8_t rule = policy_rule(policy, code);
    uint32_t first = handle_count > 0 ? handles[0] : TPM2_RH_NULL;

    if (rule & POLICY_DENIED)
        return POLICY_DENIED;
    if (rule & POLICY_NO_PLATFORM && names_platform(handles, handle_count))
        return POLICY_NO_PLATFORM;
    if (rule & POLICY_FREE_PCRS && !is_free_pcr(first))
        return POLICY_FREE_PCRS;
    if (rule & POLICY_GUARDED_BY && !is_authorization_set(first, permanent))
        return POLICY_GUARDED_BY;
    return 0;
}
