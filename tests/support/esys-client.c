/* SPDX-License-Identifier: BSD-2-Clause */
#include "esys-client.h"

#include <stdio.h>
#include <tss2/tss2_tctildr.h>

struct esys_client *esys_client_new(void)
{
    char *conf = world_client_conf();
    TSS2_RC rc;
    struct esys_client *client = esys_client_open(conf, &rc);

    if (!client)
        fprintf(stderr, "esys client: %s: 0x%X\n", conf, rc);
    g_free(conf);
    return client;
}

struct esys_client *esys_client_open(const char *conf, TSS2_RC *rc)
{
    struct esys_client *client = g_new0(struct esys_client, 1);

    *rc = Tss2_TctiLdr_Initialize(conf, &client->tcti);
    if (*rc != TSS2_RC_SUCCESS) {
        g_free(client); /* what a loader that failed left there is no context */
        return NULL;
    }
    *rc = Esys_Initialize(&client->esys, client->tcti, NULL);
    if (*rc != TSS2_RC_SUCCESS) {
        esys_client_free(client);
        return NULL;
    }
    return client;
}

void esys_client_free(struct esys_client *client)
{
    if (!client)
        return;
    Esys_Finalize(&client->esys);
    Tss2_TctiLdr_Finalize(&client->tcti);
    g_free(client);
}

static TSS2_RC make_key(struct esys_client *client, ESYS_TR hierarchy, ESYS_TR *key)
{
    static const TPM2B_SENSITIVE_CREATE sensitive = {
        .sensitive = {.userAuth = {.size = 3, .buffer = {'k', 'e', 'y'}}}};
    static const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH
                                           | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_NULL},
                                                .scheme = {.scheme = TPM2_ALG_NULL},
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf = {.scheme = TPM2_ALG_NULL}}}};
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    static const TPM2B_AUTH auth = {.size = 3, .buffer = {'k', 'e', 'y'}};
    TSS2_RC rc =
        Esys_CreatePrimary(client->esys, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &template, &no_data, &no_pcrs, key, NULL, NULL, NULL, NULL);

    return rc == TSS2_RC_SUCCESS ? Esys_TR_SetAuth(client->esys, *key, &auth) : rc;
}

TSS2_RC esys_client_key(struct esys_client *client, ESYS_TR *key)
{
    return make_key(client, ESYS_TR_RH_OWNER, key);
}

TSS2_RC esys_client_null_key(struct esys_client *client, ESYS_TR *key)
{
    return make_key(client, ESYS_TR_RH_NULL, key);
}

TSS2_RC esys_client_sign(struct esys_client *client, ESYS_TR key, ESYS_TR session)
{
    static const TPM2B_DIGEST digest = {.size = 32, .buffer = {1, 2, 3}};
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = Esys_Sign(client->esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme,
                           &ticket, &signature);

    if (rc == TSS2_RC_SUCCESS && signature->sigAlg != TPM2_ALG_ECDSA)
        rc = TSS2_ESYS_RC_GENERAL_FAILURE;
    Esys_Free(signature);
    return rc;
}

TSS2_RC esys_client_session(struct esys_client *client, TPM2_SE kind, ESYS_TR *session)
{
    static const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    TSS2_RC rc =
        Esys_StartAuthSession(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, kind, &none, TPM2_ALG_SHA256, session);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    return Esys_TRSess_SetAttributes(client->esys, *session, TPMA_SESSION_CONTINUESESSION,
                                     TPMA_SESSION_CONTINUESESSION);
}

TSS2_RC esys_client_random(struct esys_client *client, uint16_t bytes)
{
    TPM2B_DIGEST *random = NULL;
    TSS2_RC rc =
        Esys_GetRandom(client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, bytes, &random);

    if (rc == TSS2_RC_SUCCESS && random->size != bytes)
        rc = TSS2_ESYS_RC_GENERAL_FAILURE;
    Esys_Free(random);
    return rc;
}
