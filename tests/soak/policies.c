/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include "wire/header.h"

#include <string.h>

#define RC_NOT_YOURS_TO_LOAD 0xB01CB
#define RC_NOT_YOUR_OBJECT   0xB0910

/* The digest of a policy session after TPM2_PolicyCommandCode(code) (TPM 2.0 Library Part 3, clause
 * "TPM2_PolicyCommandCode"). */
static void extend(uint8_t digest[SOAK_DIGEST], uint32_t code)
{
    uint8_t bytes[SOAK_DIGEST + 8];

    memcpy(bytes, digest, SOAK_DIGEST);
    store_be32(bytes + SOAK_DIGEST, TPM2_CC_PolicyCommandCode);
    store_be32(bytes + SOAK_DIGEST + 4, code);
    soak_sha256(bytes, sizeof(bytes), digest);
}

static bool check_digest(struct soak *soak, ESYS_TR session, const uint8_t digest[SOAK_DIGEST])
{
    TPM2B_DIGEST *is = NULL;

    SOAK_TRY(soak, Esys_PolicyGetDigest(soak->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &is));
    soak_equal(soak, "a policy digest", is->buffer, is->size, digest, SOAK_DIGEST);
    Esys_Free(is);
    return true;
}

/* Saves the session, goes to a new connection perhaps, and has it again, once. */
static bool carry_session(struct soak *soak, ESYS_TR *session)
{
    ESYS_TR twice;

    SOAK_TRY(soak, Esys_ContextSave(soak->esys, *session, &soak->context));
    if (soak_chance(soak, 2) == 0) {
        soak_disconnect(soak);
        soak_pause(soak, 100);
        soak_connect(soak);
    }
    SOAK_TRY(soak, Esys_ContextLoad(soak->esys, soak->context, session));
    if (soak_chance(soak, 4) == 0)
        while (soak_refused(soak, "Esys_ContextLoad",
                            Esys_ContextLoad(soak->esys, soak->context, &twice),
                            RC_NOT_YOURS_TO_LOAD))
            ;
    Esys_Free(soak->context);
    soak->context = NULL;
    return !soak->lost;
}

bool job_policy(struct soak *soak)
{
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    static const uint32_t codes[] = {TPM2_CC_Sign, TPM2_CC_Unseal, TPM2_CC_HMAC, TPM2_CC_Load,
                                     TPM2_CC_NV_Read};
    uint8_t digest[SOAK_DIGEST] = {0};
    /* All the same: a session may be for one command only. */
    uint32_t code = codes[soak_chance(soak, sizeof(codes) / sizeof(codes[0]))];
    ESYS_TR session;

    soak->session = true;
    SOAK_TRY(soak, Esys_StartAuthSession(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &none,
                                         TPM2_ALG_SHA256, &session));
    for (unsigned i = 1 + soak_chance(soak, 6); i > 0; i--) {
        SOAK_TRY(soak, Esys_PolicyCommandCode(soak->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                              ESYS_TR_NONE, code));
        extend(digest, code);
        soak_pause(soak, 30);
        if (!check_digest(soak, session, digest) || !carry_session(soak, &session)
            || !check_digest(soak, session, digest))
            return false;
    }
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, session));
    return true;
}

/* A handle that is not the connection's names nothing, whoever has one of that number. */
static bool ask_for_a_strangers(struct soak *soak)
{
    uint8_t command[HEADER_SIZE + 4], response[4096];
    uint32_t rc;

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_ReadPublic);
    store_be32(command + HEADER_SIZE, 0x80000000 + soak_chance(soak, 8));
    do {
        size_t size = sizeof(response);

        rc = Tss2_Tcti_Transmit(soak->tcti, sizeof(command), command);
        if (rc == TSS2_RC_SUCCESS)
            rc = Tss2_Tcti_Receive(soak->tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);
        if (rc == TSS2_RC_SUCCESS)
            rc = header_load(response).code;
    } while (soak_refused(soak, "ReadPublic", rc, RC_NOT_YOUR_OBJECT));
    return !soak->lost;
}

bool job_churn(struct soak *soak)
{
    TPM2B_DIGEST *random = NULL;
    UINT16 size = (UINT16)(1 + soak_chance(soak, 32));
    struct soak_hmac_key key;
    ESYS_TR session;
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};

    if (!ask_for_a_strangers(soak))
        return false;
    SOAK_TRY(soak,
             Esys_GetRandom(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, size, &random));
    if (random->size != size)
        soak_wrong(soak, "%u random bytes and not %u", random->size, size);
    atomic_fetch_add(&soak->tally->checks, 1);
    Esys_Free(random);
    if (soak_chance(soak, 2) == 0 && (!soak_hmac_load(soak, &key) || !soak_hmac_check(soak, &key)))
        return false;
    if (soak_chance(soak, 4) == 0)
        SOAK_TRY(soak, Esys_StartAuthSession(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                             ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &none,
                                             TPM2_ALG_SHA256, &session));
    soak_disconnect(soak);
    return true;
}
