/* SPDX-License-Identifier: BSD-2-Clause */
#include "holder.h"

#include <stdio.h>
#include <tss2/tss2_tcti.h>

struct holder holder_new(const struct world *world, enum served_way way)
{
    struct holder holder = {.client = served_client(world, way, NULL)};
    ESYS_TR other;

    assert_non_null(holder.client);
    assert_int_equal(esys_client_key(holder.client, &holder.key), TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(holder.client, TPM2_SE_HMAC, &holder.session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(esys_client_session(holder.client, TPM2_SE_HMAC, &other), TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextSave(holder.client->esys, other, &holder.saved), TSS2_RC_SUCCESS);
    return holder;
}

void holder_free(struct holder *holder)
{
    Esys_Free(holder->saved);
    esys_client_free(holder->client);
}

void holder_expect(struct holder *holder)
{
    ESYS_TR other;

    assert_int_equal(esys_client_sign(holder->client, holder->key, holder->session),
                     TSS2_RC_SUCCESS);
    assert_int_equal(Esys_ContextLoad(holder->client->esys, holder->saved, &other),
                     TSS2_RC_SUCCESS);
    Esys_Free(holder->saved);
    holder->saved = NULL;
    assert_int_equal(Esys_ContextSave(holder->client->esys, other, &holder->saved),
                     TSS2_RC_SUCCESS);
}

void holder_expect_end(struct holder *holder)
{
    assert_int_equal(esys_client_random(holder->client, 8) & TSS2_RC_LAYER_MASK,
                     TSS2_TCTI_RC_LAYER);
}

void holder_begin(struct holder *holder, struct world *world, unsigned ms)
{
    char *script = g_strdup_printf("code=0x17B delay=%u\n", ms);
    struct counts before;

    assert_true(world_set_faults(world, script));
    g_free(script);
    counts_read(world->counts, &before);
    assert_int_equal(
        Esys_GetRandom_Async(holder->client->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8),
        TSS2_RC_SUCCESS);
    assert_true(served_await_chip(world, &before, TPM2_CC_GetRandom, 1));
    assert_true(world_set_faults(world, ""));
}

TSS2_RC holder_finish(struct holder *holder)
{
    TPM2B_DIGEST *random = NULL;
    TSS2_RC rc;

    assert_int_equal(Esys_SetTimeout(holder->client->esys, TSS2_TCTI_TIMEOUT_BLOCK),
                     TSS2_RC_SUCCESS);
    rc = Esys_GetRandom_Finish(holder->client->esys, &random);
    Esys_Free(random);
    return rc;
}
