/* SPDX-License-Identifier: BSD-2-Clause */
#include "errand.h"

#include "esys-jobs.h"
#include "rm/rc.h"
#include "wire/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tcti.h>

#include <cmocka.h>

/* The TPM's own digests are 32 bytes here. */
#define DIGEST 32

void errand_init(struct errand *errand, ESYS_CONTEXT *esys, uint8_t tag)
{
    *errand = (struct errand){.esys = esys, .tag = tag};
    for (unsigned i = 0; i < ERRAND_KEYS; i++)
        errand->keys[i] = ESYS_TR_NONE;
    for (unsigned i = 0; i < ERRAND_SESSIONS; i++)
        errand->sessions[i] = ESYS_TR_NONE;
    errand->sequence = ESYS_TR_NONE;
}

/* Takes note of how a step went; true when it was done. */
static bool done(struct errand *errand, const char *step, TSS2_RC rc)
{
    if (rc == TSS2_RC_SUCCESS)
        return true;
    errand->refused++;
    errand->cut = errand->cut || rc == TSS2_TCTI_RC_IO_ERROR;
    if (rc != RM_RC_MEMORY && !errand->cut)
        fail_msg("%s: 0x%x", step, rc);
    return false;
}

/* What a key makes of a message is the same each time, so the first answer is the right one. */
static void expect_same(uint8_t tag, unsigned which, const TPM2B_DIGEST *digest)
{
    static TPM2B_DIGEST known[256][ERRAND_KEYS + 1];
    TPM2B_DIGEST *first = &known[tag][which];

    assert_int_equal(digest->size, DIGEST);
    if (first->size == 0)
        *first = *digest;
    assert_memory_equal(digest->buffer, first->buffer, DIGEST);
}

static void begin_key(struct errand *errand, unsigned which)
{
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_SENSITIVE_CREATE sensitive = {
        .sensitive.data = {.size = 2, .buffer = {errand->tag, (uint8_t)which}}};
    TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes =
                           TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                       .parameters.keyedHashDetail.scheme = {
                           .scheme = TPM2_ALG_HMAC, .details.hmac.hashAlg = TPM2_ALG_SHA256}}};

    if (errand->cut || errand->keys[which] != ESYS_TR_NONE)
        return;
    if (!done(errand, "CreatePrimary",
              Esys_CreatePrimary(errand->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &sensitive, &public, &no_data, &no_pcrs,
                                 &errand->keys[which], NULL, NULL, NULL, NULL)))
        errand->keys[which] = ESYS_TR_NONE;
}

static void begin_session(struct errand *errand, ESYS_TR *session)
{
    if (!errand->cut && *session == ESYS_TR_NONE
        && !done(errand, "StartAuthSession", job_try_session(errand->esys, TPM2_SE_HMAC, session)))
        *session = ESYS_TR_NONE;
}

static void begin_sequence(struct errand *errand)
{
    static const TPM2B_AUTH no_password;

    if (!errand->cut && errand->sequence == ESYS_TR_NONE
        && !done(errand, "HashSequenceStart",
                 Esys_HashSequenceStart(errand->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        &no_password, TPM2_ALG_SHA256, &errand->sequence)))
        errand->sequence = ESYS_TR_NONE;
}

void errand_begin(struct errand *errand)
{
    for (unsigned i = 0; i < ERRAND_KEYS; i++)
        begin_key(errand, i);
    for (unsigned i = 0; i < ERRAND_SESSIONS; i++)
        begin_session(errand, &errand->sessions[i]);
    begin_sequence(errand);
}

static void use_object(struct errand *errand, ESYS_TR key, ESYS_TR session, unsigned which)
{
    TPM2B_MAX_BUFFER message = {.size = 2, .buffer = {errand->tag, 7}};
    TPM2B_DIGEST *result = NULL;

    if (errand->cut || key == ESYS_TR_NONE || session == ESYS_TR_NONE)
        return;
    if (done(errand, "HMAC",
             Esys_HMAC(errand->esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &message,
                       TPM2_ALG_SHA256, &result)))
        expect_same(errand->tag, which, result);
    Esys_Free(result);
}

void errand_use(struct errand *errand)
{
    /* Nothing, so that an update that was refused changes nothing of the digest. */
    static const TPM2B_MAX_BUFFER nothing;

    for (unsigned i = 0; i < ERRAND_KEYS; i++)
        use_object(errand, errand->keys[i],
                   i < ERRAND_SESSIONS ? errand->sessions[i] : ESYS_TR_PASSWORD, i);
    if (!errand->cut && errand->sequence != ESYS_TR_NONE)
        done(errand, "SequenceUpdate",
             Esys_SequenceUpdate(errand->esys, errand->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &nothing));
}

/* The key's context is loaded beside the key: one object, two handles. */
static void move_key(struct errand *errand)
{
    ESYS_TR twin = ESYS_TR_NONE;

    if (errand->cut || errand->keys[0] == ESYS_TR_NONE)
        return;
    if (!errand->key_context
        && !done(errand, "ContextSave",
                 Esys_ContextSave(errand->esys, errand->keys[0], &errand->key_context)))
        errand->key_context = NULL;
    if (!errand->key_context
        || !done(errand, "ContextLoad", Esys_ContextLoad(errand->esys, errand->key_context, &twin)))
        return;
    use_object(errand, twin, ESYS_TR_PASSWORD, 0);
    if (!errand->cut)
        done(errand, "FlushContext", Esys_FlushContext(errand->esys, twin));
}

static void move_session(struct errand *errand)
{
    ESYS_TR *session = &errand->sessions[0];

    if (!errand->cut && *session != ESYS_TR_NONE
        && done(errand, "ContextSave",
                Esys_ContextSave(errand->esys, *session, &errand->session_context)))
        *session = ESYS_TR_NONE;
    if (!errand->cut && errand->session_context
        && done(errand, "ContextLoad",
                Esys_ContextLoad(errand->esys, errand->session_context, session))) {
        Esys_Free(errand->session_context);
        errand->session_context = NULL;
    }
    use_object(errand, errand->keys[1], *session, 1);
}

static void ask_capability(struct errand *errand, TPM2_CAP capability, uint32_t property)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;

    if (!errand->cut)
        done(errand, "GetCapability",
             Esys_GetCapability(errand->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, capability,
                                property, 16, &more, &data));
    Esys_Free(data);
}

static void read_public(struct errand *errand)
{
    TPM2B_PUBLIC *public = NULL;

    if (!errand->cut && errand->keys[2] != ESYS_TR_NONE
        && done(errand, "ReadPublic",
                Esys_ReadPublic(errand->esys, errand->keys[2], ESYS_TR_NONE, ESYS_TR_NONE,
                                ESYS_TR_NONE, &public, NULL, NULL)))
        assert_int_equal(public->publicArea.type, TPM2_ALG_KEYEDHASH);
    Esys_Free(public);
}

void errand_move(struct errand *errand)
{
    move_key(errand);
    move_session(errand);
    for (unsigned i = 0; i < 2; i++) {
        read_public(errand);
        ask_capability(errand, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED);
        ask_capability(errand, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST);
    }
}

static void end_sequence(struct errand *errand)
{
    /* As long as it may be: it does not come out of a socket at once. */
    TPM2B_MAX_BUFFER last = {.size = TPM2_MAX_DIGEST_BUFFER, .buffer = {errand->tag, 9}};
    TPM2B_DIGEST *result = NULL;

    if (errand->cut || errand->sequence == ESYS_TR_NONE)
        return;
    if (done(errand, "SequenceComplete",
             Esys_SequenceComplete(errand->esys, errand->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &last, ESYS_TR_RH_NULL, &result, NULL))) {
        expect_same(errand->tag, ERRAND_KEYS, result);
        errand->sequence = ESYS_TR_NONE;
    }
    Esys_Free(result);
}

static void end_handle(struct errand *errand, ESYS_TR *handle)
{
    if (!errand->cut && *handle != ESYS_TR_NONE
        && done(errand, "FlushContext", Esys_FlushContext(errand->esys, *handle)))
        *handle = ESYS_TR_NONE;
}

void errand_end(struct errand *errand)
{
    end_sequence(errand);
    end_handle(errand, &errand->keys[0]);
    end_handle(errand, &errand->sessions[0]);
    /* The key comes back from its context, which nobody has a handle for. */
    if (!errand->cut && errand->key_context && errand->keys[0] == ESYS_TR_NONE
        && !done(errand, "ContextLoad",
                 Esys_ContextLoad(errand->esys, errand->key_context, &errand->keys[0])))
        errand->keys[0] = ESYS_TR_NONE;
}

void errand_expect_unhindered(const struct errand *errand)
{
    assert_int_equal(errand->refused, 0);
    assert_false(errand->cut);
}

void errand_clear(struct errand *errand)
{
    Esys_Free(errand->key_context);
    Esys_Free(errand->session_context);
    *errand = (struct errand){0};
}
