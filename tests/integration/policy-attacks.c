/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy-attacks.h"

#include "suite.h"

#include <stdio.h>
#include <string.h>

static ESYS_TR authorization(const struct hand *hand)
{
    return hand->session ? hand->session : ESYS_TR_PASSWORD;
}

TSS2_RC attack_extend_pcr(const struct hand *hand)
{
    TPML_DIGEST_VALUES digests = {.count = 1, .digests = {{.hashAlg = TPM2_ALG_SHA256}}};

    return Esys_PCR_Extend(hand->client->esys, ESYS_TR_PCR7, authorization(hand), hand->more,
                           ESYS_TR_NONE, &digests);
}

TSS2_RC attack_set_clock(const struct hand *hand)
{
    TPMS_TIME_INFO *time = NULL;
    TSS2_RC rc =
        Esys_ReadClock(hand->client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time);
    uint64_t later = rc == TSS2_RC_SUCCESS ? time->clockInfo.clock + UINT64_C(315360000000) : 0;

    Esys_Free(time);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    return Esys_ClockSet(hand->client->esys, ESYS_TR_RH_OWNER, authorization(hand), hand->more,
                         ESYS_TR_NONE, later);
}

TSS2_RC attack_adjust_clock(const struct hand *hand)
{
    return Esys_ClockRateAdjust(hand->client->esys, ESYS_TR_RH_OWNER, authorization(hand),
                                hand->more, ESYS_TR_NONE, TPM2_CLOCK_COARSE_FASTER);
}

static TSS2_RC define_nv_at(const struct hand *hand, uint32_t handle)
{
    TPM2B_NV_PUBLIC public = {.nvPublic = {.nvIndex = handle,
                                           .nameAlg = TPM2_ALG_SHA256,
                                           .attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE,
                                           .dataSize = 64}};
    ESYS_TR index;
    TSS2_RC rc = Esys_NV_DefineSpace(hand->client->esys, ESYS_TR_RH_OWNER, authorization(hand),
                                     hand->more, ESYS_TR_NONE, &(TPM2B_AUTH){0}, &public, &index);

    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_TR_Close(hand->client->esys, &index);
    return rc;
}

static TSS2_RC define_nv(const struct hand *hand)
{
    return define_nv_at(hand, ATTACK_NV + 1);
}

static TSS2_RC remove_nv(const struct hand *hand)
{
    ESYS_TR index;
    TSS2_RC rc = Esys_TR_FromTPMPublic(hand->client->esys, ATTACK_NV, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &index);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_NV_UndefineSpace(hand->client->esys, ESYS_TR_RH_OWNER, index, authorization(hand),
                               hand->more, ESYS_TR_NONE);
    if (rc != TSS2_RC_SUCCESS)
        Esys_TR_Close(hand->client->esys, &index);
    return rc;
}

static TSS2_RC remove_key(const struct hand *hand)
{
    ESYS_TR key, gone;
    TSS2_RC rc = Esys_TR_FromTPMPublic(hand->client->esys, ATTACK_KEY, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &key);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_EvictControl(hand->client->esys, ESYS_TR_RH_OWNER, key, authorization(hand),
                           hand->more, ESYS_TR_NONE, 0, &gone);
    if (rc != TSS2_RC_SUCCESS)
        Esys_TR_Close(hand->client->esys, &key);
    return rc;
}

static TSS2_RC set_lockout_parameters(const struct hand *hand)
{
    return Esys_DictionaryAttackParameters(hand->client->esys, ESYS_TR_RH_LOCKOUT,
                                           authorization(hand), hand->more, ESYS_TR_NONE, 32, 600,
                                           600);
}

TSS2_RC attack_reset_lockout(const struct hand *hand)
{
    return Esys_DictionaryAttackLockReset(hand->client->esys, ESYS_TR_RH_LOCKOUT,
                                          authorization(hand), hand->more, ESYS_TR_NONE);
}

static TSS2_RC set_policy_of_owner(const struct hand *hand)
{
    return Esys_SetPrimaryPolicy(hand->client->esys, ESYS_TR_RH_OWNER, authorization(hand),
                                 hand->more, ESYS_TR_NONE, &(TPM2B_DIGEST){.size = 32},
                                 TPM2_ALG_SHA256);
}

static TSS2_RC take_endorsement(const struct hand *hand)
{
    return Esys_HierarchyChangeAuth(hand->client->esys, ESYS_TR_RH_ENDORSEMENT, authorization(hand),
                                    hand->more, ESYS_TR_NONE, &(TPM2B_AUTH){1, "x"});
}

static TSS2_RC switch_owner_off(const struct hand *hand)
{
    return Esys_HierarchyControl(hand->client->esys, ESYS_TR_RH_OWNER, authorization(hand),
                                 hand->more, ESYS_TR_NONE, ESYS_TR_RH_OWNER, TPM2_NO);
}

TSS2_RC attack_take_lockout(const struct hand *hand)
{
    return Esys_HierarchyChangeAuth(hand->client->esys, ESYS_TR_RH_LOCKOUT, authorization(hand),
                                    hand->more, ESYS_TR_NONE, &(TPM2B_AUTH){1, "x"});
}

TSS2_RC attack_clear(const struct hand *hand)
{
    return Esys_Clear(hand->client->esys, ESYS_TR_RH_LOCKOUT, authorization(hand), hand->more,
                      ESYS_TR_NONE);
}

static TSS2_RC shut_down(const struct hand *hand)
{
    return Esys_Shutdown(hand->client->esys, hand->more, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR);
}

static TSS2_RC use_platform(const struct hand *hand)
{
    return Esys_ClearControl(hand->client->esys, ESYS_TR_RH_PLATFORM, authorization(hand),
                             hand->more, ESYS_TR_NONE, TPM2_NO);
}

/* In an order in which each can follow those before it. */
const struct attack attacks[ATTACKS] = {
    {"extends PCR 7", attack_extend_pcr, TPM2_CC_PCR_Extend, "strict"},
    {"moves the clock by ten years", attack_set_clock, TPM2_CC_ClockSet, "standard"},
    {"makes the clock faster", attack_adjust_clock, TPM2_CC_ClockRateAdjust, "standard"},
    {"uses the platform hierarchy", use_platform, TPM2_CC_ClearControl, "standard"},
    {"defines an NV index", define_nv, TPM2_CC_NV_DefineSpace, "strict"},
    {"removes another's NV index", remove_nv, TPM2_CC_NV_UndefineSpace, "strict"},
    {"removes another's persistent key", remove_key, TPM2_CC_EvictControl, "strict"},
    {"sets the lockout's parameters", set_lockout_parameters, TPM2_CC_DictionaryAttackParameters,
     "guarded"},
    {"resets the lockout", attack_reset_lockout, TPM2_CC_DictionaryAttackLockReset, "guarded"},
    {"sets the owner's policy", set_policy_of_owner, TPM2_CC_SetPrimaryPolicy, "guarded"},
    {"takes the endorsement hierarchy over", take_endorsement, TPM2_CC_HierarchyChangeAuth,
     "guarded"},
    {"switches the owner hierarchy off", switch_owner_off, TPM2_CC_HierarchyControl, "guarded"},
    {"takes the lockout over", attack_take_lockout, TPM2_CC_HierarchyChangeAuth, "guarded"},
    {"clears the TPM", attack_clear, TPM2_CC_Clear, "guarded"},
    {"shuts the TPM down", shut_down, TPM2_CC_Shutdown, "standard"},
};

TSS2_RC attack_furnish(struct esys_client *root)
{
    ESYS_TR key, kept;
    TSS2_RC rc = define_nv_at(&(struct hand){.client = root, .more = ESYS_TR_NONE}, ATTACK_NV);

    if (rc == TSS2_RC_SUCCESS)
        rc = esys_client_key(root, &key);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_EvictControl(root->esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, ATTACK_KEY, &kept);
    return rc == TSS2_RC_SUCCESS ? Esys_TR_Close(root->esys, &kept) : rc;
}

static bool is_refused(const struct attack *attack, const char *policy)
{
    static const char *const presets[] = {"open", "standard", "guarded", "strict"};
    unsigned at = 0, needs = 0;

    while (strcmp(presets[at], policy) != 0)
        at++;
    while (strcmp(presets[needs], attack->refused_by) != 0)
        needs++;
    return at >= needs;
}

void attack_expect_refused(const struct world *world, const struct hand *hand,
                           const struct attack *attack)
{
    struct counts before, after;
    TSS2_RC rc;

    counts_read(world->counts, &before);
    rc = attack->run(hand);
    counts_read(world->counts, &after);
    if (rc != ATTACK_DENIED)
        fprintf(stderr, "a user who %s gets 0x%x\n", attack->what, rc);
    assert_int_equal(rc, ATTACK_DENIED);
    assert_int_equal(counts_between(&before, &after, attack->code), 0);
}

/* A session for more than one command. */
static ESYS_TR session_of(struct esys_client *client, TPMA_SESSION attributes)
{
    ESYS_TR session;

    assert_int_equal(esys_client_session(client, TPM2_SE_HMAC, &session), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_TRSess_SetAttributes(client->esys, session,
                                               attributes | TPMA_SESSION_CONTINUESESSION, 0xFF),
                     TSS2_RC_SUCCESS);
    return session;
}

void attack_expect_refusals(const struct world *world, struct esys_client *client,
                            const char *policy)
{
    const struct hand plain = {.client = client, .more = ESYS_TR_NONE};
    struct hand audited = plain, keyed = plain;
    unsigned refused = 0;

    audited.more = session_of(client, TPMA_SESSION_AUDIT);
    keyed.session = session_of(client, 0);
    for (unsigned i = 0; i < ATTACKS; i++) {
        if (!is_refused(&attacks[i], policy))
            continue;
        attack_expect_refused(world, &plain, &attacks[i]);
        attack_expect_refused(world, &audited, &attacks[i]);
        attack_expect_refused(world, &keyed, &attacks[i]);
        refused++;
    }
    assert_true(refused > 0);
    assert_int_equal(Esys_FlushContext(client->esys, audited.more), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_FlushContext(client->esys, keyed.session), TSS2_RC_SUCCESS);
    /* The connection goes on. */
    assert_int_equal(esys_client_random(client, 8), TSS2_RC_SUCCESS);
}
