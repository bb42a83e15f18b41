/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include <string.h>
#include <tss2/tss2_tctildr.h>

static const char sealed[] = "what a neighbour seals";
static const TPM2B_SENSITIVE_CREATE no_sensitive;
static const TPM2B_DATA no_data;
static const TPML_PCR_SELECTION no_pcrs;

TSS2_RC jobs_open(const char *conf, ESYS_CONTEXT **esys)
{
    TSS2_TCTI_CONTEXT *tcti;
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &tcti);

    *esys = NULL;
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_Initialize(esys, tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        Tss2_TctiLdr_Finalize(&tcti);
    return rc;
}

void jobs_close(ESYS_CONTEXT *esys)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;

    if (!esys)
        return;
    Esys_GetTcti(esys, &tcti);
    Esys_Finalize(&esys);
    Tss2_TctiLdr_Finalize(&tcti);
}

static TPM2B_PUBLIC ecc_public(TPMA_OBJECT attributes, uint8_t tag)
{
    return (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = attributes | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN
                                           | TPMA_OBJECT_USERWITHAUTH,
                       .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL},
                       .unique.ecc.x = {.size = 1, .buffer = {tag}}}};
}

static TSS2_RC create_primary(ESYS_CONTEXT *esys, const TPM2B_PUBLIC *public, ESYS_TR *key)
{
    return Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &no_sensitive, public, &no_data, &no_pcrs, key, NULL, NULL, NULL,
                              NULL);
}

TSS2_RC jobs_key(ESYS_CONTEXT *esys, uint8_t tag, ESYS_TR *key)
{
    TPM2B_PUBLIC public = ecc_public(TPMA_OBJECT_SIGN_ENCRYPT, tag);

    return create_primary(esys, &public, key);
}

TSS2_RC jobs_sign(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session)
{
    static const TPM2B_DIGEST digest = {.size = 32, .buffer = {1, 2, 3}};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = Esys_Sign(esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme,
                           &ticket, &signature);

    Esys_Free(signature);
    return rc;
}

TSS2_RC jobs_session(ESYS_CONTEXT *esys, TPM2_SE type, TPMA_SESSION more, ESYS_TR *session)
{
    static const TPMT_SYM_DEF aes = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TSS2_RC rc = Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, type, &aes, TPM2_ALG_SHA256, session);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    more |= TPMA_SESSION_CONTINUESESSION;
    return Esys_TRSess_SetAttributes(esys, *session, more, more);
}

TSS2_RC jobs_random(ESYS_CONTEXT *esys, ESYS_TR session)
{
    TPM2B_DIGEST *bytes = NULL;
    TSS2_RC rc = Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &bytes);

    Esys_Free(bytes);
    return rc;
}

TSS2_RC jobs_parent(ESYS_CONTEXT *esys, ESYS_TR *parent)
{
    TPM2B_PUBLIC public = ecc_public(TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT, 0);
    ESYS_TR key;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(esys, JOBS_PARENT, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, parent);

    if (rc == TSS2_RC_SUCCESS)
        return rc;
    public.publicArea.parameters.eccDetail.symmetric = (TPMT_SYM_DEF_OBJECT){
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    rc = create_primary(esys, &public, &key);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    rc = Esys_EvictControl(esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, JOBS_PARENT, parent);
    Esys_FlushContext(esys, key);
    return rc;
}

TSS2_RC jobs_seal(ESYS_CONTEXT *esys, ESYS_TR parent, const TPM2B_DIGEST *policy,
                  TPM2B_PRIVATE **private, TPM2B_PUBLIC **public)
{
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = sizeof(sealed)};
    TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes =
                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};

    memcpy(sensitive.sensitive.data.buffer, sealed, sizeof(sealed));
    if (policy)
        template.publicArea.authPolicy = *policy;
    else
        template.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    return Esys_Create(esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                       &template, &no_data, &no_pcrs, private, public, NULL, NULL, NULL);
}

TSS2_RC jobs_policy(ESYS_CONTEXT *esys, ESYS_TR session)
{
    static const TPM2B_DIGEST digest;
    static const TPML_PCR_SELECTION pcrs = {
        .count = 1,
        .pcrSelections = {{.hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = {0x80}}}};

    return Esys_PolicyPCR(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &pcrs);
}

TSS2_RC jobs_unseal(ESYS_CONTEXT *esys, ESYS_TR object, ESYS_TR session, ESYS_TR second)
{
    TPM2B_SENSITIVE_DATA *data = NULL;
    TSS2_RC rc = Esys_Unseal(esys, object, session, second, ESYS_TR_NONE, &data);

    if (rc == TSS2_RC_SUCCESS
        && (data->size != sizeof(sealed) || memcmp(data->buffer, sealed, sizeof(sealed)) != 0))
        rc = TSS2_ESYS_RC_GENERAL_FAILURE;
    Esys_Free(data);
    return rc;
}
