/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include <glib.h>
#include <string.h>

#define MESSAGE_MAX 2048

void soak_sha256(const void *bytes, size_t size, uint8_t digest[SOAK_DIGEST])
{
    GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = SOAK_DIGEST;

    g_checksum_update(checksum, bytes, (gssize)size);
    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
}

bool soak_hmac_load(struct soak *soak, struct soak_hmac_key *key)
{
    TPM2B_SENSITIVE sensitive = {.sensitiveArea = {.sensitiveType = TPM2_ALG_KEYEDHASH,
                                                   .seedValue.size = SOAK_DIGEST,
                                                   .sensitive.bits.size = SOAK_DIGEST}};
    TPM2B_PUBLIC public = {
        .publicArea = {
            .type = TPM2_ALG_KEYEDHASH,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes =
                TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
            .parameters.keyedHashDetail.scheme = {.scheme = TPM2_ALG_HMAC,
                                                  .details.hmac.hashAlg = TPM2_ALG_SHA256},
            .unique.keyedHash.size = SOAK_DIGEST}};
    uint8_t both[2 * SOAK_DIGEST];

    /* The public part names the sensitive one: H(seed || bytes) (TPM 2.0 Library Part 1, clause
     * "Public Area", unique of a symmetric object). */
    soak_bytes(soak, both, sizeof(both));
    memcpy(key->bytes, both + SOAK_DIGEST, SOAK_DIGEST);
    memcpy(sensitive.sensitiveArea.seedValue.buffer, both, SOAK_DIGEST);
    memcpy(sensitive.sensitiveArea.sensitive.bits.buffer, key->bytes, SOAK_DIGEST);
    soak_sha256(both, sizeof(both), public.publicArea.unique.keyedHash.buffer);
    SOAK_TRY(soak, Esys_LoadExternal(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &sensitive, &public, ESYS_TR_RH_NULL, &key->object));
    return true;
}

/* The HMAC of `size` bytes by the key. */
static void hmac(const struct soak_hmac_key *key, const void *bytes, size_t size,
                 uint8_t digest[SOAK_DIGEST])
{
    GHmac *state = g_hmac_new(G_CHECKSUM_SHA256, key->bytes, SOAK_DIGEST);
    gsize length = SOAK_DIGEST;

    g_hmac_update(state, bytes, (gssize)size);
    g_hmac_get_digest(state, digest, &length);
    g_hmac_unref(state);
}

bool soak_hmac_check(struct soak *soak, const struct soak_hmac_key *key)
{
    TPM2B_MAX_BUFFER message = {.size = (UINT16)soak_chance(soak, 1000)};
    uint8_t digest[SOAK_DIGEST];
    TPM2B_DIGEST *result = NULL;

    soak_bytes(soak, message.buffer, message.size);
    SOAK_TRY(soak, Esys_HMAC(soak->esys, key->object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                             &message, TPM2_ALG_SHA256, &result));
    hmac(key, message.buffer, message.size, digest);
    soak_equal(soak, "an HMAC", result->buffer, result->size, digest, SOAK_DIGEST);
    Esys_Free(result);
    return true;
}

bool soak_carry(struct soak *soak, ESYS_TR *object)
{
    bool reconnect = soak_chance(soak, 2) == 0;
    ESYS_TR first = *object;

    SOAK_TRY(soak, Esys_ContextSave(soak->esys, first, &soak->context));
    if (reconnect) {
        soak_disconnect(soak);
        soak_connect(soak);
    }
    SOAK_TRY(soak, Esys_ContextLoad(soak->esys, soak->context, object));
    Esys_Free(soak->context);
    soak->context = NULL;
    /* Else it is there twice. */
    if (!reconnect)
        SOAK_TRY(soak, Esys_FlushContext(soak->esys, first));
    return true;
}

/* Hashes a message in pieces, with `carries` trips in between, and checks the digest. */
static bool hash(struct soak *soak, unsigned carries)
{
    static const TPM2B_AUTH no_auth;
    uint8_t message[MESSAGE_MAX], digest[SOAK_DIGEST];
    TPM2B_MAX_BUFFER piece = {0};
    TPM2B_DIGEST *result = NULL;
    ESYS_TR sequence;
    size_t size = 0;

    soak_connect(soak);
    SOAK_TRY(soak, Esys_HashSequenceStart(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                          &no_auth, TPM2_ALG_SHA256, &sequence));
    soak->sequence = true;
    for (unsigned pieces = 1 + soak_chance(soak, 4); pieces > 0; pieces--) {
        piece.size = (UINT16)soak_chance(soak, 500);
        soak_bytes(soak, piece.buffer, piece.size);
        memcpy(message + size, piece.buffer, piece.size);
        size += piece.size;
        SOAK_TRY(soak, Esys_SequenceUpdate(soak->esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &piece));
        if (carries > 0 && !soak_carry(soak, &sequence))
            return false;
        carries -= carries > 0;
    }
    piece.size = 0;
    SOAK_TRY(soak, Esys_SequenceComplete(soak->esys, sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &piece, ESYS_TR_RH_NULL, &result, NULL));
    soak->sequence = false;
    soak_sha256(message, size, digest);
    soak_equal(soak, "the digest of a sequence", result->buffer, result->size, digest, SOAK_DIGEST);
    Esys_Free(result);
    return true;
}

bool job_hash(struct soak *soak)
{
    struct soak_hmac_key key;

    if (!hash(soak, 0) || !soak_hmac_load(soak, &key))
        return false;
    for (unsigned i = soak_chance(soak, 5); i > 0; i--)
        if (!hash(soak, 0) || !soak_hmac_check(soak, &key))
            return false;
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, key.object));
    return true;
}

bool job_carry(struct soak *soak)
{
    struct soak_hmac_key key;

    if (!hash(soak, 1 + soak_chance(soak, 3)) || !soak_hmac_load(soak, &key))
        return false;
    for (unsigned i = 1 + soak_chance(soak, 5); i > 0; i--)
        if (!soak_carry(soak, &key.object) || !soak_hmac_check(soak, &key))
            return false;
    SOAK_TRY(soak, Esys_FlushContext(soak->esys, key.object));
    return true;
}
