/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TPM jobs that tests are made of, through ESYS. Each fails the test when the TPM refuses,
 * except those that return a TSS2_RC.
 */
#pragma once

#include <stdbool.h>
#include <tss2/tss2_esys.h>

/* An ECC P-256 storage primary key, an ECC signing primary key with an empty password (`tag`
 * makes it another key), a keyed hash primary: the cheapest object. */
ESYS_TR job_primary(ESYS_CONTEXT *esys, ESYS_TR hierarchy);
ESYS_TR job_signing_key(ESYS_CONTEXT *esys, ESYS_TR hierarchy, uint8_t tag);
TSS2_RC job_try_signing_key(ESYS_CONTEXT *esys, ESYS_TR hierarchy, uint8_t tag, ESYS_TR *key);

/* Signs a digest with a password session (ESYS_TR_PASSWORD) or another one. */
TSS2_RC job_sign(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session);

/* An unbound, unsalted session with continueSession set; `policy` says which kind. */
ESYS_TR job_session(ESYS_CONTEXT *esys, bool policy);
TSS2_RC job_try_session(ESYS_CONTEXT *esys, TPM2_SE type, ESYS_TR *session);

TSS2_RC job_random(ESYS_CONTEXT *esys);

/* A SHA-256 hash sequence with the password `auth`. */
ESYS_TR job_hash_sequence(ESYS_CONTEXT *esys, const char *auth);

/* The TPM's own handle (virtual, for an object) behind an ESYS_TR. */
TPM2_HANDLE job_handle(ESYS_CONTEXT *esys, ESYS_TR object);
