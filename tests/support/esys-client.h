/* SPDX-License-Identifier: BSD-2-Clause */
/* A client in the test process: ESYS over the client library, and the few keys that tests use. */
#pragma once

#include "world.h"

#include <tss2/tss2_esys.h>

struct esys_client {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

/* Connects to the world that was made last. NULL, with a word on standard error, when that fails.
 */
struct esys_client *esys_client_new(void);

/* Connects by a loader string. NULL, with the code at `rc`, when that fails. */
struct esys_client *esys_client_open(const char *conf, TSS2_RC *rc);
void esys_client_free(struct esys_client *client);

/* An ECC P-256 signing key with the password "key", as a primary of the owner. */
TSS2_RC esys_client_key(struct esys_client *client, ESYS_TR *key);

/* The same under the NULL hierarchy: another key. */
TSS2_RC esys_client_null_key(struct esys_client *client, ESYS_TR *key);

/* Signs a fixed digest with the key, authorized by `session` (or ESYS_TR_PASSWORD), and has the
 * signature's scheme checked. */
TSS2_RC esys_client_sign(struct esys_client *client, ESYS_TR key, ESYS_TR session);

/* An unbound, unsalted session of the kind TPM2_SE_HMAC or TPM2_SE_POLICY that goes on after each
 * use. */
TSS2_RC esys_client_session(struct esys_client *client, TPM2_SE kind, ESYS_TR *session);

TSS2_RC esys_client_random(struct esys_client *client, uint16_t bytes);
