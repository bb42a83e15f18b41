/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include <string.h>

#define KEYS_MAX  4
#define AUTH_SIZE 16

static const TPMT_SYM_DEF no_symmetric = {.algorithm = TPM2_ALG_NULL};
static const TPMT_SYM_DEF aes = {
    .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};

struct key {
    ESYS_TR object, session;
    TPM2B_PUBLIC public;
};

/* A primary ECC key that no other client has: its template names random bytes. */
static bool primary(struct soak *soak, bool storage, const TPM2B_AUTH *auth, ESYS_TR *object,
                    TPM2B_PUBLIC *public)
{
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.userAuth = *auth};
    TPM2B_PUBLIC *made = NULL;

    *public = (TPM2B_PUBLIC){
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_NULL},
                                                .scheme = {.scheme = TPM2_ALG_NULL},
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf = {.scheme = TPM2_ALG_NULL}},
                       .unique.ecc = {.x.size = 32, .y.size = 32}}};
    if (storage) {
        public->publicArea.objectAttributes |= TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
        public->publicArea.parameters.eccDetail.symmetric = (TPMT_SYM_DEF_OBJECT){
            .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    } else {
        public->publicArea.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
    }
    soak_bytes(soak, public->publicArea.unique.ecc.x.buffer, 32);
    SOAK_TRY(soak, Esys_CreatePrimary(soak->esys,
                                      soak_chance(soak, 2) ? ESYS_TR_RH_OWNER : ESYS_TR_RH_NULL,
                                      ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                                      public, &no_data, &no_pcrs, object, &made, NULL, NULL, NULL));
    *public = *made;
    Esys_Free(made);
    return true;
}

/* A session for the key's authorization, bound to it perhaps, or the password itself. */
static bool authorize(struct soak *soak, struct key *key)
{
    bool encrypt = soak_chance(soak, 2) == 0;
    TPMA_SESSION attributes = TPMA_SESSION_CONTINUESESSION;
    ESYS_TR bind = soak_chance(soak, 2) ? key->object : ESYS_TR_NONE;

    key->session = ESYS_TR_PASSWORD;
    if (soak_chance(soak, 2) == 0)
        return true;
    SOAK_TRY(soak,
             Esys_StartAuthSession(soak->esys, ESYS_TR_NONE, bind, ESYS_TR_NONE, ESYS_TR_NONE,
                                   ESYS_TR_NONE, NULL, TPM2_SE_HMAC, encrypt ? &aes : &no_symmetric,
                                   TPM2_ALG_SHA256, &key->session));
    if (encrypt)
        attributes |= TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
    SOAK_TRY(soak, Esys_TRSess_SetAttributes(soak->esys, key->session, attributes, 0xFF));
    return true;
}

static bool make_key(struct soak *soak, bool storage, struct key *key)
{
    TPM2B_AUTH auth = {.size = AUTH_SIZE};

    soak_bytes(soak, auth.buffer, auth.size);
    /* A trailing zero is not part of an authorization value (TPM 2.0 Library Part 1, "authValue").
     */
    auth.buffer[AUTH_SIZE - 1] |= 1;
    if (!primary(soak, storage, &auth, &key->object, &key->public))
        return false;
    SOAK_TRY(soak, Esys_TR_SetAuth(soak->esys, key->object, &auth));
    return authorize(soak, key);
}

static bool free_key(struct soak *soak, const struct key *key)
{
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, key->object));
    return key->session == ESYS_TR_PASSWORD || soak_flush_session(soak, key->session);
}

/* Has a signature verified with the key's public part alone, and found wrong for other bytes. */
static bool verify(struct soak *soak, const struct key *key, TPM2B_DIGEST *digest,
                   const TPMT_SIGNATURE *signature)
{
    ESYS_TR verifier;

    SOAK_TRY(soak, Esys_LoadExternal(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                     &key->public, ESYS_TR_RH_NULL, &verifier));
    SOAK_TRY(soak, Esys_VerifySignature(soak->esys, verifier, ESYS_TR_NONE, ESYS_TR_NONE,
                                        ESYS_TR_NONE, digest, signature, NULL));
    atomic_fetch_add(&soak->tally->checks, 1);
    digest->buffer[soak_chance(soak, SOAK_DIGEST)] ^= 1;
    while (soak_refused(soak, "Esys_VerifySignature",
                        Esys_VerifySignature(soak->esys, verifier, ESYS_TR_NONE, ESYS_TR_NONE,
                                             ESYS_TR_NONE, digest, signature, NULL),
                        TPM2_RC_SIGNATURE + TPM2_RC_P + TPM2_RC_2))
        ;
    if (soak->lost)
        return false;
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, verifier));
    return true;
}

static bool sign(struct soak *soak, const struct key *key)
{
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK,
                                                .hierarchy = TPM2_RH_NULL};
    TPM2B_DIGEST digest = {.size = SOAK_DIGEST};
    TPMT_SIGNATURE *signature = NULL, copy;

    soak_bytes(soak, digest.buffer, digest.size);
    SOAK_TRY(soak, Esys_Sign(soak->esys, key->object, key->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             &digest, &scheme, &no_ticket, &signature));
    copy = *signature;
    Esys_Free(signature);
    return verify(soak, key, &digest, &copy);
}

bool job_sign(struct soak *soak)
{
    unsigned count = 1 + soak_chance(soak, KEYS_MAX);
    struct key keys[KEYS_MAX];

    for (unsigned i = 0; i < count; i++)
        if (!make_key(soak, false, &keys[i]))
            return false;
    for (unsigned i = 2 + soak_chance(soak, 10); i > 0; i--) {
        soak_pause(soak, 30);
        if (!sign(soak, &keys[i % count]))
            return false;
    }
    /* Now and then a connection ends with all that it has. */
    if (soak_chance(soak, 4) == 0) {
        soak_disconnect(soak);
        return true;
    }
    for (unsigned i = 0; i < count; i++)
        if (!free_key(soak, &keys[i]))
            return false;
    return true;
}

/* Seals random bytes under the storage key, and has them unsealed. */
static bool seal(struct soak *soak, const struct key *parent)
{
    static const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = 1};
    TPM2B_PUBLIC *made = NULL, public;
    TPM2B_PRIVATE *wrapped = NULL, private;
    TPM2B_SENSITIVE_DATA *data = NULL;
    ESYS_TR object;

    sensitive.sensitive.data.size += (UINT16)soak_chance(soak, 128);
    soak_bytes(soak, sensitive.sensitive.data.buffer, sensitive.sensitive.data.size);
    SOAK_TRY(soak, Esys_Create(soak->esys, parent->object, parent->session, ESYS_TR_NONE,
                               ESYS_TR_NONE, &sensitive, &template, &no_data, &no_pcrs, &wrapped,
                               &made, NULL, NULL, NULL));
    public = *made;
    private = *wrapped;
    Esys_Free(made);
    Esys_Free(wrapped);
    for (unsigned i = 1 + soak_chance(soak, 3); i > 0; i--) {
        SOAK_TRY(soak, Esys_Load(soak->esys, parent->object, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &private, &public, &object));
        SOAK_TRY(soak, Esys_Unseal(soak->esys, object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &data));
        soak_equal(soak, "what was sealed", data->buffer, data->size,
                   sensitive.sensitive.data.buffer, sensitive.sensitive.data.size);
        Esys_Free(data);
        SOAK_TRY(soak, Esys_FlushContext(soak->esys, object));
    }
    return true;
}

bool job_seal(struct soak *soak)
{
    struct key parent;

    if (!make_key(soak, true, &parent))
        return false;
    for (unsigned i = 1 + soak_chance(soak, 6); i > 0; i--) {
        soak_pause(soak, 30);
        if (!seal(soak, &parent))
            return false;
    }
    return free_key(soak, &parent);
}
