/* SPDX-License-Identifier: BSD-2-Clause */
#include "victim.h"

bool victim_begin(struct victim *victim)
{
    *victim = (struct victim){esys_client_new(), ESYS_TR_NONE, ESYS_TR_NONE};
    return victim->client && esys_client_key(victim->client, &victim->key) == TSS2_RC_SUCCESS
           && esys_client_session(victim->client, TPM2_SE_HMAC, &victim->session)
                  == TSS2_RC_SUCCESS;
}

bool victim_end(struct victim *victim)
{
    bool unharmed =
        victim->client
        && esys_client_sign(victim->client, victim->key, victim->session) == TSS2_RC_SUCCESS;

    esys_client_free(victim->client);
    return unharmed;
}
