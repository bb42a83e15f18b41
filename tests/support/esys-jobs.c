/* SPDX-License-Identifier: BSD-2-Clause */
#include "esys-jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const TPM2B_SENSITIVE_CREATE no_sensitive;
static const TPM2B_DATA no_data;
static const TPML_PCR_SELECTION no_pcrs;

static TPM2B_PUBLIC ecc_template(bool signing, uint8_t tag)
{
    TPM2B_PUBLIC public = {
        .publicArea =
            {
                .type = TPM2_ALG_ECC,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT
                                    | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH,
                .parameters.eccDetail =
                    {
                        .symmetric.algorithm = TPM2_ALG_NULL,
                        .scheme.scheme = TPM2_ALG_NULL,
                        .curveID = TPM2_ECC_NIST_P256,
                        .kdf.scheme = TPM2_ALG_NULL,
                    },
                .unique.ecc.x = {.size = 1, .buffer = {tag}},
            },
    };

    if (signing) {
        public.publicArea.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_NODA;
        public.publicArea.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
        public.publicArea.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    } else {
        public.publicArea.objectAttributes |= TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
        public.publicArea.parameters.eccDetail.symmetric =
            (TPMT_SYM_DEF_OBJECT){TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
    }
    return public;
}

static TSS2_RC create_primary(ESYS_CONTEXT *esys, ESYS_TR hierarchy, const TPM2B_PUBLIC *public,
                              ESYS_TR *key)
{
    return Esys_CreatePrimary(esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &no_sensitive, public, &no_data, &no_pcrs, key, NULL, NULL, NULL,
                              NULL);
}

ESYS_TR job_primary(ESYS_CONTEXT *esys, ESYS_TR hierarchy)
{
    TPM2B_PUBLIC public = ecc_template(false, 0);
    ESYS_TR key;

    assert_int_equal(create_primary(esys, hierarchy, &public, &key), TSS2_RC_SUCCESS);
    return key;
}

TSS2_RC job_try_signing_key(ESYS_CONTEXT *esys, ESYS_TR hierarchy, uint8_t tag, ESYS_TR *key)
{
    TPM2B_PUBLIC public = ecc_template(true, tag);

    return create_primary(esys, hierarchy, &public, key);
}

ESYS_TR job_signing_key(ESYS_CONTEXT *esys, ESYS_TR hierarchy, uint8_t tag)
{
    ESYS_TR key;

    assert_int_equal(job_try_signing_key(esys, hierarchy, tag, &key), TSS2_RC_SUCCESS);
    return key;
}

TSS2_RC job_sign(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session)
{
    static const TPM2B_DIGEST digest = {.size = 32, .buffer = {1, 2, 3}};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
    static const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC code = Esys_Sign(esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme,
                             &ticket, &signature);

    Esys_Free(signature);
    return code;
}

TSS2_RC job_try_session(ESYS_CONTEXT *esys, TPM2_SE type, ESYS_TR *session)
{
    static const TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_NULL};
    TSS2_RC code =
        Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, type, &symmetric, TPM2_ALG_SHA256, session);

    if (code == TSS2_RC_SUCCESS)
        code = Esys_TRSess_SetAttributes(esys, *session, TPMA_SESSION_CONTINUESESSION,
                                         TPMA_SESSION_CONTINUESESSION);
    return code;
}

ESYS_TR job_session(ESYS_CONTEXT *esys, bool policy)
{
    ESYS_TR session;

    assert_int_equal(job_try_session(esys, policy ? TPM2_SE_POLICY : TPM2_SE_HMAC, &session),
                     TSS2_RC_SUCCESS);
    return session;
}

TSS2_RC job_random(ESYS_CONTEXT *esys)
{
    TPM2B_DIGEST *bytes = NULL;
    TSS2_RC code = Esys_GetRandom(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes);

    Esys_Free(bytes);
    return code;
}

ESYS_TR job_hash_sequence(ESYS_CONTEXT *esys, const char *auth)
{
    TPM2B_AUTH password = {.size = (uint16_t)strlen(auth)};
    ESYS_TR sequence;

    memcpy(password.buffer, auth, password.size);
    assert_int_equal(Esys_HashSequenceStart(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                            &password, TPM2_ALG_SHA256, &sequence),
                     TSS2_RC_SUCCESS);
    return sequence;
}

TPM2_HANDLE job_handle(ESYS_CONTEXT *esys, ESYS_TR object)
{
    TPM2_HANDLE handle;

    assert_int_equal(Esys_TR_GetTpmHandle(esys, object, &handle), TSS2_RC_SUCCESS);
    return handle;
}
