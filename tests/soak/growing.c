/* SPDX-License-Identifier: BSD-2-Clause */
#include "jobs.h"

#include "wire/bytes.h"

#include <string.h>

#define COUNTER_SIZE 8
#define ROUNDS       12
#define RC_FAILURE   0xB0101

/* TPM2_NV_ReadPublic() of an index that is not defined. */
#define RC_NO_INDEX (TPM2_RC_HANDLE + TPM2_RC_1)

/* The client's index, and its PCR among those that nobody else extends here. */
#define NV_INDEX(soak)   (TPM2_NV_INDEX_FIRST + 0x500000 + (soak)->index)
#define PCR_NUMBER(soak) (8 + (soak)->index % 8)

static const TPMT_SYM_DEF no_symmetric = {.algorithm = TPM2_ALG_NULL};

/* What the client lets grow, as it knows it from all its connections. */
static struct {
    bool known;
    uint8_t value[SOAK_DIGEST]; /* when it was last read; that, and these: */
    uint8_t bytes[SOAK_DIGEST]; /* that it was extended by since, each time the same */
    unsigned done, unknown; /* how often that was answered, and how often its outcome not told */
} grown;

/* A kind of thing that grows. */
struct growth {
    size_t size;                                      /* bytes of its value */
    bool index;                                       /* an index, which is closed after use */
    bool (*find)(struct soak *soak, ESYS_TR *object); /* makes it, where it is not there */
    uint32_t (*grow)(struct soak *soak, ESYS_TR object, ESYS_TR session);
    bool (*read)(struct soak *soak, ESYS_TR object, uint8_t *value);
    void (*step)(uint8_t *value); /* what grow() makes of the value */
};

/* The index, which is defined by the first one who finds it missing. Of an answer that was lost
 * the next look tells. */
static bool find_index(struct soak *soak, uint32_t type, uint16_t size, ESYS_TR *object)
{
    static const TPM2B_AUTH no_auth;
    const TPM2B_NV_PUBLIC public = {.nvPublic = {.nvIndex = NV_INDEX(soak),
                                                 .nameAlg = TPM2_ALG_SHA256,
                                                 .attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE
                                                               | TPMA_NV_NO_DA
                                                               | type << TPMA_NV_TPM2_NT_SHIFT,
                                                 .dataSize = size}};
    uint32_t rc;

    do {
        rc = Esys_TR_FromTPMPublic(soak->esys, NV_INDEX(soak), ESYS_TR_NONE, ESYS_TR_NONE,
                                   ESYS_TR_NONE, object);
        if (rc == RC_NO_INDEX && !grown.known)
            rc = Esys_NV_DefineSpace(soak->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &no_auth, &public, object);
    } while (soak_again(soak, "Esys_NV_DefineSpace", rc));
    return rc == TSS2_RC_SUCCESS;
}

static bool read_index(struct soak *soak, ESYS_TR object, uint16_t size, uint8_t *value)
{
    TPM2B_MAX_NV_BUFFER *data = NULL;

    SOAK_TRY(soak, Esys_NV_Read(soak->esys, object, object, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, size, 0, &data));
    if (data->size != size)
        soak_wrong(soak, "%u bytes of an index and not %u", data->size, size);
    memcpy(value, data->buffer, size);
    Esys_Free(data);
    return true;
}

static bool find_counter(struct soak *soak, ESYS_TR *object)
{
    return find_index(soak, TPM2_NT_COUNTER, COUNTER_SIZE, object);
}

static uint32_t increment(struct soak *soak, ESYS_TR object, ESYS_TR session)
{
    return Esys_NV_Increment(soak->esys, object, object, session, ESYS_TR_NONE, ESYS_TR_NONE);
}

static bool read_counter(struct soak *soak, ESYS_TR object, uint8_t *value)
{
    return read_index(soak, object, COUNTER_SIZE, value);
}

static void count_one(uint8_t *value)
{
    store_be64(value, load_be64(value) + 1);
}

static bool find_extended(struct soak *soak, ESYS_TR *object)
{
    return find_index(soak, TPM2_NT_EXTEND, SOAK_DIGEST, object);
}

static uint32_t extend_index(struct soak *soak, ESYS_TR object, ESYS_TR session)
{
    TPM2B_MAX_NV_BUFFER data = {.size = SOAK_DIGEST};

    memcpy(data.buffer, grown.bytes, SOAK_DIGEST);
    return Esys_NV_Extend(soak->esys, object, object, session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
}

static bool read_extended(struct soak *soak, ESYS_TR object, uint8_t *value)
{
    return read_index(soak, object, SOAK_DIGEST, value);
}

/* H(value || bytes), as of an index and of a PCR (TPM 2.0 Library Part 3, clauses "TPM2_NV_Extend"
 * and "TPM2_PCR_Extend"). */
static void extend(uint8_t *value)
{
    uint8_t both[2 * SOAK_DIGEST];

    memcpy(both, value, SOAK_DIGEST);
    memcpy(both + SOAK_DIGEST, grown.bytes, SOAK_DIGEST);
    soak_sha256(both, sizeof(both), value);
}

static bool find_pcr(struct soak *soak, ESYS_TR *object)
{
    *object = ESYS_TR_PCR0 + PCR_NUMBER(soak);
    return true;
}

static uint32_t extend_pcr(struct soak *soak, ESYS_TR object, ESYS_TR session)
{
    TPML_DIGEST_VALUES digests = {.count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256};

    memcpy(digests.digests[0].digest.sha256, grown.bytes, SOAK_DIGEST);
    return Esys_PCR_Extend(soak->esys, object, session, ESYS_TR_NONE, ESYS_TR_NONE, &digests);
}

static bool read_pcr(struct soak *soak, ESYS_TR object, uint8_t *value)
{
    TPML_PCR_SELECTION selection = {
        .count = 1, .pcrSelections[0] = {.hash = TPM2_ALG_SHA256, .sizeofSelect = 3}};
    TPML_DIGEST *values = NULL;

    (void)object;
    selection.pcrSelections[0].pcrSelect[PCR_NUMBER(soak) / 8] =
        (uint8_t)(1 << PCR_NUMBER(soak) % 8);
    SOAK_TRY(soak, Esys_PCR_Read(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &selection,
                                 NULL, NULL, &values));
    if (values->count != 1 || values->digests[0].size != SOAK_DIGEST)
        soak_wrong(soak, "%u values of a PCR", values->count);
    memcpy(value, values->digests[0].buffer, SOAK_DIGEST);
    Esys_Free(values);
    return true;
}

/* Lets it grow until that is answered, and counts all that was sent. */
static bool grow(struct soak *soak, const struct growth *growth, ESYS_TR object, ESYS_TR session)
{
    uint32_t rc;

    do {
        rc = growth->grow(soak, object, session);
        grown.done += rc == TSS2_RC_SUCCESS;
        grown.unknown += rc == RC_FAILURE;
    } while (soak_again(soak, "what grows", rc));
    return rc == TSS2_RC_SUCCESS;
}

/* Reads it: it is what it was, grown by what was answered, and by some of the rest. */
static bool check(struct soak *soak, const struct growth *growth, ESYS_TR object)
{
    uint8_t value[SOAK_DIGEST];
    unsigned most = grown.done + grown.unknown, steps = 0;

    if (!growth->read(soak, object, value))
        return false;
    if (grown.known) {
        for (; steps < grown.done; steps++)
            growth->step(grown.value);
        while (memcmp(grown.value, value, growth->size) != 0 && steps++ < most)
            growth->step(grown.value);
        if (steps > most)
            soak_wrong(soak,
                       "after %u answered commands, and %u of unknown outcome, a value is "
                       "none that these give",
                       grown.done, grown.unknown);
        atomic_fetch_add(&soak->tally->grown, grown.done);
        atomic_fetch_add(&soak->tally->unknown, grown.unknown);
        atomic_fetch_add(&soak->tally->unknown_done, steps - grown.done);
        atomic_fetch_add(&soak->tally->checks, 1);
    }
    memcpy(grown.value, value, growth->size);
    grown.known = true;
    grown.done = grown.unknown = 0;
    return true;
}

/* The password, which is empty, or a session for it. */
static bool authorize(struct soak *soak, ESYS_TR *session)
{
    *session = ESYS_TR_PASSWORD;
    if (soak_chance(soak, 2) == 0)
        return true;
    SOAK_TRY(soak, Esys_StartAuthSession(soak->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                         &no_symmetric, TPM2_ALG_SHA256, session));
    SOAK_TRY(soak,
             Esys_TRSess_SetAttributes(soak->esys, *session, TPMA_SESSION_CONTINUESESSION, 0xFF));
    return true;
}

/* What was not known before, grows once with the password: an index has its value, and its Name,
 * from then on. */
static bool begin(struct soak *soak, const struct growth *growth, ESYS_TR object)
{
    if (!grown.known && !grow(soak, growth, object, ESYS_TR_PASSWORD))
        return false;
    return check(soak, growth, object);
}

static bool let_grow(struct soak *soak, const struct growth *growth)
{
    ESYS_TR object, session;

    if (!growth->find(soak, &object) || !begin(soak, growth, object) || !authorize(soak, &session))
        return false;
    for (unsigned i = 1 + soak_chance(soak, ROUNDS); i > 0; i--) {
        soak_bytes(soak, grown.bytes, SOAK_DIGEST);
        for (unsigned times = 1 + soak_chance(soak, 3); times > 0; times--)
            if (!grow(soak, growth, object, session))
                return false;
        soak_pause(soak, 30);
        if (!check(soak, growth, object))
            return false;
    }
    if (session != ESYS_TR_PASSWORD && !soak_flush_session(soak, session))
        return false;
    if (growth->index)
        SOAK_TRY(soak, Esys_TR_Close(soak->esys, &object));
    return true;
}

bool job_count(struct soak *soak)
{
    static const struct growth counter = {
        .size = COUNTER_SIZE,
        .index = true,
        .find = find_counter,
        .grow = increment,
        .read = read_counter,
        .step = count_one,
    };

    return let_grow(soak, &counter);
}

bool job_extend(struct soak *soak)
{
    static const struct growth extended = {
        .size = SOAK_DIGEST,
        .index = true,
        .find = find_extended,
        .grow = extend_index,
        .read = read_extended,
        .step = extend,
    };

    return let_grow(soak, &extended);
}

bool job_measure(struct soak *soak)
{
    static const struct growth pcr = {
        .size = SOAK_DIGEST,
        .find = find_pcr,
        .grow = extend_pcr,
        .read = read_pcr,
        .step = extend,
    };

    return let_grow(soak, &pcr);
}
