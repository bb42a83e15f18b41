/* SPDX-License-Identifier: BSD-2-Clause */
#include "holder.h"

#include <pthread.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

#define RC_UNREACHABLE  0xB0101
#define RC_CANCELED     0xB0909 /* before the TPM had it */
#define RC_VOID_HANDLE  0xB0910 /* to 0xB0917 */
#define RC_VOID_SESSION 0xB0918 /* to 0xB091F */

static const TPM2B_AUTH password = {.size = 6, .buffer = "secret"};
static const TPM2B_AUTH no_password;
static const TPM2B_MAX_BUFFER part = {.size = 12, .buffer = "half of it; "};

#define TRY(holder, name, call)        \
    do {                               \
        TSS2_RC try_rc;                \
        (holder)->step = (name);       \
        try_rc = (call);               \
        if (try_rc != TSS2_RC_SUCCESS) \
            return try_rc;             \
    } while (0)

/* The daemon lets few calls of one user wait on the bus, so it is one after the other. */
static TSS2_RC holder_connect(struct holder *holder)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    TSS2_TCTI_CONTEXT *tcti;
    TSS2_RC rc;

    pthread_mutex_lock(&lock);
    rc = Tss2_TctiLdr_Initialize(holder->conf, &tcti);
    pthread_mutex_unlock(&lock);
    TRY(holder, "connect", rc);
    holder->step = "Esys_Initialize";
    if (Esys_Initialize(&holder->esys, tcti, NULL) == TSS2_RC_SUCCESS)
        return TSS2_RC_SUCCESS;
    Tss2_TctiLdr_Finalize(&tcti);
    holder->esys = NULL;
    return HOLDER_WRONG;
}

void holder_end(struct holder *holder)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;

    if (!holder->esys)
        return;
    Esys_GetTcti(holder->esys, &tcti);
    Esys_Finalize(&holder->esys);
    Tss2_TctiLdr_Finalize(&tcti);
}

/* Its policy is that the key's password is proved, by an HMAC that the session's nonces go into. */
static TSS2_RC holder_arm_session(struct holder *holder)
{
    TRY(holder, "PolicyAuthValue",
        Esys_PolicyAuthValue(holder->esys, holder->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             ESYS_TR_NONE));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC holder_make_session(struct holder *holder)
{
    static const TPMT_SYM_DEF no_symmetric = {.algorithm = TPM2_ALG_NULL};
    const TPMA_SESSION goes_on = TPMA_SESSION_CONTINUESESSION;

    TRY(holder, "StartAuthSession",
        Esys_StartAuthSession(holder->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &no_symmetric, TPM2_ALG_SHA256,
                              &holder->session));
    TRY(holder, "Esys_TRSess_SetAttributes",
        Esys_TRSess_SetAttributes(holder->esys, holder->session, goes_on, goes_on));
    return holder_arm_session(holder);
}

static TSS2_RC holder_create(struct holder *holder, const TPM2B_PUBLIC *public, ESYS_TR *key)
{
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    const TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.userAuth = password};

    TRY(holder, "CreatePrimary",
        Esys_CreatePrimary(holder->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, &sensitive, public, &no_data, &no_pcrs, key, NULL, NULL,
                           NULL, NULL));
    TRY(holder, "Esys_TR_SetAuth", Esys_TR_SetAuth(holder->esys, *key, &password));
    return TSS2_RC_SUCCESS;
}

/* The key takes its password, and the policy of the session if there is one. */
static TSS2_RC holder_make_key(struct holder *holder)
{
    const uint8_t tag[] = {(uint8_t)(holder->number >> 8), (uint8_t)holder->number};
    TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN
                                           | TPMA_OBJECT_USERWITHAUTH,
                       .parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL},
                       .unique.ecc.x.size = sizeof(tag)}};

    memcpy(public.publicArea.unique.ecc.x.buffer, tag, sizeof(tag));
    if (holder->rich) {
        TPM2B_DIGEST *policy;

        TRY(holder, "PolicyGetDigest",
            Esys_PolicyGetDigest(holder->esys, holder->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &policy));
        public.publicArea.authPolicy = *policy;
        Esys_Free(policy);
    }
    return holder_create(holder, &public, &holder->key);
}

/* A sequence that has got the first part. */
static TSS2_RC holder_make_sequence(struct holder *holder)
{
    TRY(holder, "HashSequenceStart",
        Esys_HashSequenceStart(holder->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &no_password,
                               TPM2_ALG_SHA256, &holder->sequence));
    TRY(holder, "SequenceUpdate",
        Esys_SequenceUpdate(holder->esys, holder->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &part));
    return TSS2_RC_SUCCESS;
}

static TSS2_RC holder_make(struct holder *holder)
{
    TSS2_RC rc = holder->rich ? holder_make_session(holder) : TSS2_RC_SUCCESS;

    if (rc == TSS2_RC_SUCCESS)
        rc = holder_make_key(holder);
    if (rc == TSS2_RC_SUCCESS && holder->rich)
        rc = holder_make_sequence(holder);
    return rc;
}

TSS2_RC holder_begin(struct holder *holder)
{
    TSS2_RC rc = holder_connect(holder);

    return rc == TSS2_RC_SUCCESS ? holder_make(holder) : rc;
}

/* What the TPM says of all the data in one go. */
static TSS2_RC holder_hash_all(struct holder *holder, TPM2B_DIGEST **digest)
{
    TPM2B_MAX_BUFFER all = {.size = 2 * part.size};

    memcpy(all.buffer, part.buffer, part.size);
    memcpy(all.buffer + part.size, part.buffer, part.size);
    TRY(holder, "Hash",
        Esys_Hash(holder->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &all, TPM2_ALG_SHA256,
                  ESYS_TR_RH_NULL, digest, NULL));
    return TSS2_RC_SUCCESS;
}

/* The second part is added: the digest must be that of both. */
static TSS2_RC holder_check_sequence(struct holder *holder)
{
    TPM2B_DIGEST *digest = NULL, *wanted = NULL;
    bool right;
    TSS2_RC rc;

    TRY(holder, "SequenceComplete",
        Esys_SequenceComplete(holder->esys, holder->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &part, ESYS_TR_RH_NULL, &digest, NULL));
    rc = holder_hash_all(holder, &wanted);
    right = rc == TSS2_RC_SUCCESS && digest->size == wanted->size
            && memcmp(digest->buffer, wanted->buffer, wanted->size) == 0;
    Esys_Free(digest);
    Esys_Free(wanted);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    holder->step = "the digest of the sequence";
    return right ? holder_make_sequence(holder) : HOLDER_WRONG;
}

static TSS2_RC holder_sign_with(struct holder *holder, ESYS_TR key, ESYS_TR session,
                                const TPM2B_DIGEST *digest, TPMT_SIGNATURE **signature)
{
    static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
                                           .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
    static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK,
                                                .hierarchy = TPM2_RH_NULL};

    TRY(holder, "Sign",
        Esys_Sign(holder->esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, digest, &scheme,
                  &no_ticket, signature));
    return TSS2_RC_SUCCESS;
}

/* A use of its policy takes it from the session, so it is given it again. */
static TSS2_RC holder_sign_once(struct holder *holder, bool verify)
{
    TPM2B_DIGEST digest = {.size = 32, .buffer = {(uint8_t)holder->number, 1, 2, 3}};
    TPMT_SIGNATURE *signature = NULL;
    ESYS_TR session = holder->rich ? holder->session : ESYS_TR_PASSWORD;
    TSS2_RC rc = holder_sign_with(holder, holder->key, session, &digest, &signature);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (verify) {
        holder->step = "VerifySignature";
        rc = Esys_VerifySignature(holder->esys, holder->key, ESYS_TR_NONE, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &digest, signature, NULL);
    }
    Esys_Free(signature);
    if (rc == TSS2_RC_SUCCESS && holder->rich)
        rc = holder_arm_session(holder);
    return rc;
}

TSS2_RC holder_check(struct holder *holder)
{
    TSS2_RC rc = holder_sign_once(holder, true);

    return rc == TSS2_RC_SUCCESS && holder->rich ? holder_check_sequence(holder) : rc;
}

TSS2_RC holder_sign(struct holder *holder)
{
    TSS2_RC rc = holder_sign_once(holder, false);
    const char *step = holder->step;

    if (rc != TSS2_RC_SUCCESS && holder->rich) {
        Esys_FlushContext(holder->esys, holder->session);
        holder_make_session(holder);
        holder->step = step;
    }
    return rc;
}

bool holder_may_lose(const struct holder *holder, TSS2_RC rc)
{
    bool names_session = strcmp(holder->step, "PolicyAuthValue") == 0;
    TSS2_RC first = names_session ? RC_VOID_HANDLE : RC_VOID_SESSION;

    return rc == RC_UNREACHABLE || (rc >= first && rc <= first + 7);
}

/* What `is` must be one of. */
static TSS2_RC holder_expect(TSS2_RC is, TSS2_RC first, TSS2_RC last)
{
    if (is >= first && is <= last)
        return TSS2_RC_SUCCESS;
    return is == TSS2_RC_SUCCESS ? HOLDER_WRONG : is;
}

static TSS2_RC holder_expect_void_handles(struct holder *holder, const TPM2B_DIGEST *digest)
{
    TPMT_SIGNATURE *signature = NULL;
    TSS2_RC rc = holder_sign_with(holder, holder->key, ESYS_TR_PASSWORD, digest, &signature);

    rc = holder_expect(rc, RC_VOID_HANDLE, RC_VOID_HANDLE + 7);
    if (rc != TSS2_RC_SUCCESS || !holder->rich)
        return rc;
    holder->step = "SequenceUpdate";
    rc = Esys_SequenceUpdate(holder->esys, holder->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                             ESYS_TR_NONE, &part);
    return holder_expect(rc, RC_VOID_HANDLE, RC_VOID_HANDLE + 7);
}

/* A session without a command that is about it. */
static TSS2_RC holder_random(struct holder *holder, ESYS_TR session)
{
    TPM2B_DIGEST *bytes = NULL;
    TSS2_RC rc;

    holder->step = "GetRandom";
    rc = Esys_GetRandom(holder->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes);
    Esys_Free(bytes);
    return rc;
}

TSS2_RC holder_expect_void(struct holder *holder)
{
    const TPM2B_DIGEST digest = {.size = 32};
    TSS2_RC rc = holder_expect_void_handles(holder, &digest);

    if (rc == TSS2_RC_SUCCESS && holder->rich)
        rc = holder_expect(holder_random(holder, holder->session), RC_VOID_SESSION,
                           RC_VOID_SESSION + 7);
    return rc == TSS2_RC_SUCCESS ? holder_make(holder) : rc;
}

TSS2_RC holder_expect_closed(struct holder *holder)
{
    TSS2_RC rc = holder_expect(holder_random(holder, ESYS_TR_NONE), TSS2_TCTI_RC_LAYER,
                               TSS2_TCTI_RC_LAYER + 0xFFFF);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    holder_end(holder);
    return holder_begin(holder);
}

TSS2_RC holder_expect_unreachable(struct holder *holder)
{
    return holder_expect(holder_random(holder, ESYS_TR_NONE), RC_UNREACHABLE, RC_UNREACHABLE);
}

/* A primary key that takes long to make. */
static TSS2_RC holder_begin_long(struct holder *holder)
{
    static const TPM2B_SENSITIVE_CREATE no_sensitive;
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    static const TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_RSA,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM
                                           | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA
                                           | TPMA_OBJECT_SENSITIVEDATAORIGIN
                                           | TPMA_OBJECT_USERWITHAUTH,
                       .parameters.rsaDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .keyBits = 2048}}};

    TRY(holder, "CreatePrimary of RSA",
        Esys_CreatePrimary_Async(holder->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &no_sensitive, &public, &no_data, &no_pcrs));
    return TSS2_RC_SUCCESS;
}

TSS2_RC holder_cancel(struct holder *holder)
{
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_TR key;
    TSS2_RC rc = holder_begin_long(holder), canceled;

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    TRY(holder, "Esys_GetTcti", Esys_GetTcti(holder->esys, &tcti));
    canceled = Tss2_Tcti_Cancel(tcti);
    Esys_SetTimeout(holder->esys, TSS2_TCTI_TIMEOUT_BLOCK);
    rc = Esys_CreatePrimary_Finish(holder->esys, &key, NULL, NULL, NULL, NULL);
    if (rc == TSS2_RC_SUCCESS)
        TRY(holder, "FlushContext", Esys_FlushContext(holder->esys, key));
    else if (rc != TPM2_RC_CANCELED && rc != RC_CANCELED)
        return rc;
    holder->step = "Tss2_Tcti_Cancel";
    /* The driver of a device has no way to cancel what the TPM is at. */
    return canceled == TSS2_TCTI_RC_NOT_IMPLEMENTED ? TSS2_RC_SUCCESS : canceled;
}
