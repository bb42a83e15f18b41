/* SPDX-License-Identifier: BSD-2-Clause */
#include "workload.h"

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

void workload_init(struct workload *workload, ESYS_CONTEXT *esys, uint8_t tag)
{
    *workload = (struct workload){.esys = esys, .tag = tag};
    for (unsigned i = 0; i < WORKLOAD_KEYS; i++)
        workload->keys[i] = ESYS_TR_NONE;
    for (unsigned i = 0; i < WORKLOAD_SESSIONS; i++)
        workload->sessions[i] = ESYS_TR_NONE;
    workload->sequence = ESYS_TR_NONE;
}

/* Takes note of how a step went; true when it was done. */
static bool done(struct workload *workload, const char *step, TSS2_RC rc)
{
    if (rc == TSS2_RC_SUCCESS)
        return true;
    workload->refused++;
    workload->cut = workload->cut || rc == TSS2_TCTI_RC_IO_ERROR;
    if (rc != RM_RC_MEMORY && !workload->cut)
        fail_msg("%s: 0x%x", step, rc);
    return false;
}

/* What a key makes of a message is the same each time, so the first answer is the right one. */
static void expect_same(uint8_t tag, unsigned which, const TPM2B_DIGEST *digest)
{
    static TPM2B_DIGEST known[256][WORKLOAD_KEYS + 1];
    TPM2B_DIGEST *first = &known[tag][which];

    assert_int_equal(digest->size, DIGEST);
    if (first->size == 0)
        *first = *digest;
    assert_memory_equal(digest->buffer, first->buffer, DIGEST);
}

static void begin_key(struct workload *workload, unsigned which)
{
    static const TPM2B_DATA no_data;
    static const TPML_PCR_SELECTION no_pcrs;
    TPM2B_SENSITIVE_CREATE sensitive = {
        .sensitive.data = {.size = 2, .buffer = {workload->tag, (uint8_t)which}}};
    TPM2B_PUBLIC public = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes =
                           TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                       .parameters.keyedHashDetail.scheme = {
                           .scheme = TPM2_ALG_HMAC, .details.hmac.hashAlg = TPM2_ALG_SHA256}}};

    if (workload->cut || workload->keys[which] != ESYS_TR_NONE)
        return;
    if (!done(workload, "CreatePrimary",
              Esys_CreatePrimary(workload->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &sensitive, &public, &no_data, &no_pcrs,
                                 &workload->keys[which], NULL, NULL, NULL, NULL)))
        workload->keys[which] = ESYS_TR_NONE;
}

static void begin_session(struct workload *workload, ESYS_TR *session)
{
    if (!workload->cut && *session == ESYS_TR_NONE
        && !done(workload, "StartAuthSession",
                 job_try_session(workload->esys, TPM2_SE_HMAC, session)))
        *session = ESYS_TR_NONE;
}

static void begin_sequence(struct workload *workload)
{
    static const TPM2B_AUTH no_password;

    if (!workload->cut && workload->sequence == ESYS_TR_NONE
        && !done(workload, "HashSequenceStart",
                 Esys_HashSequenceStart(workload->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                        &no_password, TPM2_ALG_SHA256, &workload->sequence)))
        workload->sequence = ESYS_TR_NONE;
}

void workload_begin(struct workload *workload)
{
    for (unsigned i = 0; i < WORKLOAD_KEYS; i++)
        begin_key(workload, i);
    for (unsigned i = 0; i < WORKLOAD_SESSIONS; i++)
        begin_session(workload, &workload->sessions[i]);
    begin_sequence(workload);
}

static void use_object(struct workload *workload, ESYS_TR key, ESYS_TR session, unsigned which)
{
    TPM2B_MAX_BUFFER message = {.size = 2, .buffer = {workload->tag, 7}};
    TPM2B_DIGEST *result = NULL;

    if (workload->cut || key == ESYS_TR_NONE || session == ESYS_TR_NONE)
        return;
    if (done(workload, "HMAC",
             Esys_HMAC(workload->esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &message,
                       TPM2_ALG_SHA256, &result)))
        expect_same(workload->tag, which, result);
    Esys_Free(result);
}

void workload_use(struct workload *workload)
{
    /* Nothing, so that an update that was refused changes nothing of the digest. */
    static const TPM2B_MAX_BUFFER nothing;

    for (unsigned i = 0; i < WORKLOAD_KEYS; i++)
        use_object(workload, workload->keys[i],
                   i < WORKLOAD_SESSIONS ? workload->sessions[i] : ESYS_TR_PASSWORD, i);
    if (!workload->cut && workload->sequence != ESYS_TR_NONE)
        done(workload, "SequenceUpdate",
             Esys_SequenceUpdate(workload->esys, workload->sequence, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &nothing));
}

/* The key's context is loaded beside the key: one object, two handles. */
static void move_key(struct workload *workload)
{
    ESYS_TR twin = ESYS_TR_NONE;

    if (workload->cut || workload->keys[0] == ESYS_TR_NONE)
        return;
    if (!workload->key_context
        && !done(workload, "ContextSave",
                 Esys_ContextSave(workload->esys, workload->keys[0], &workload->key_context)))
        workload->key_context = NULL;
    if (!workload->key_context
        || !done(workload, "ContextLoad",
                 Esys_ContextLoad(workload->esys, workload->key_context, &twin)))
        return;
    use_object(workload, twin, ESYS_TR_PASSWORD, 0);
    if (!workload->cut)
        done(workload, "FlushContext", Esys_FlushContext(workload->esys, twin));
}

static void move_session(struct workload *workload)
{
    ESYS_TR *session = &workload->sessions[0];

    if (!workload->cut && *session != ESYS_TR_NONE
        && done(workload, "ContextSave",
                Esys_ContextSave(workload->esys, *session, &workload->session_context)))
        *session = ESYS_TR_NONE;
    if (!workload->cut && workload->session_context
        && done(workload, "ContextLoad",
                Esys_ContextLoad(workload->esys, workload->session_context, session))) {
        Esys_Free(workload->session_context);
        workload->session_context = NULL;
    }
    use_object(workload, workload->keys[1], *session, 1);
}

static void ask_capability(struct workload *workload, TPM2_CAP capability, uint32_t property)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;

    if (!workload->cut)
        done(workload, "GetCapability",
             Esys_GetCapability(workload->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                capability, property, 16, &more, &data));
    Esys_Free(data);
}

static void read_public(struct workload *workload)
{
    TPM2B_PUBLIC *public = NULL;

    if (!workload->cut && workload->keys[2] != ESYS_TR_NONE
        && done(workload, "ReadPublic",
                Esys_ReadPublic(workload->esys, workload->keys[2], ESYS_TR_NONE, ESYS_TR_NONE,
                                ESYS_TR_NONE, &public, NULL, NULL)))
        assert_int_equal(public->publicArea.type, TPM2_ALG_KEYEDHASH);
    Esys_Free(public);
}

void workload_move(struct workload *workload)
{
    move_key(workload);
    move_session(workload);
    for (unsigned i = 0; i < 2; i++) {
        read_public(workload);
        ask_capability(workload, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_FIXED);
        ask_capability(workload, TPM2_CAP_HANDLES, HANDLE_TRANSIENT_FIRST);
    }
}

static void end_sequence(struct workload *workload)
{
    /* As long as it may be: it does not come out of a socket at once. */
    TPM2B_MAX_BUFFER last = {.size = TPM2_MAX_DIGEST_BUFFER, .buffer = {workload->tag, 9}};
    TPM2B_DIGEST *result = NULL;

    if (workload->cut || workload->sequence == ESYS_TR_NONE)
        return;
    if (done(workload, "SequenceComplete",
             Esys_SequenceComplete(workload->esys, workload->sequence, ESYS_TR_PASSWORD,
                                   ESYS_TR_NONE, ESYS_TR_NONE, &last, ESYS_TR_RH_NULL, &result,
                                   NULL))) {
        expect_same(workload->tag, WORKLOAD_KEYS, result);
        workload->sequence = ESYS_TR_NONE;
    }
    Esys_Free(result);
}

static void end_handle(struct workload *workload, ESYS_TR *handle)
{
    if (!workload->cut && *handle != ESYS_TR_NONE
        && done(workload, "FlushContext", Esys_FlushContext(workload->esys, *handle)))
        *handle = ESYS_TR_NONE;
}

void workload_end(struct workload *workload)
{
    end_sequence(workload);
    end_handle(workload, &workload->keys[0]);
    end_handle(workload, &workload->sessions[0]);
    /* The key comes back from its context, which nobody has a handle for. */
    if (!workload->cut && workload->key_context && workload->keys[0] == ESYS_TR_NONE
        && !done(workload, "ContextLoad",
                 Esys_ContextLoad(workload->esys, workload->key_context, &workload->keys[0])))
        workload->keys[0] = ESYS_TR_NONE;
}

void workload_expect_unhindered(const struct workload *workload)
{
    assert_int_equal(workload->refused, 0);
    assert_false(workload->cut);
}

void workload_clear(struct workload *workload)
{
    Esys_Free(workload->key_context);
    Esys_Free(workload->session_context);
    *workload = (struct workload){0};
}
