/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients and neighbours do with a TPM, through ESYS. Each step returns the first code that is
 * no success. */
#pragma once

#include <tss2/tss2_esys.h>

/* What is sealed, and where the storage key is that it is sealed under. */
#define JOBS_PARENT 0x81000100

/* Opens the TCTI of this configuration and ESYS on it. */
TSS2_RC jobs_open(const char *conf, ESYS_CONTEXT **esys);
void jobs_close(ESYS_CONTEXT *esys);

/* An ECC P-256 signing primary key of the owner with an empty password; `tag` makes it another. */
TSS2_RC jobs_key(ESYS_CONTEXT *esys, uint8_t tag, ESYS_TR *key);

/* Signs a digest, authorized by `session` or ESYS_TR_PASSWORD. */
TSS2_RC jobs_sign(ESYS_CONTEXT *esys, ESYS_TR key, ESYS_TR session);

/* An unbound, unsalted session that goes on after each use, with more attributes than that. */
TSS2_RC jobs_session(ESYS_CONTEXT *esys, TPM2_SE type, TPMA_SESSION more, ESYS_TR *session);

TSS2_RC jobs_random(ESYS_CONTEXT *esys, ESYS_TR session);

/* Makes the storage key JOBS_PARENT persistent, where there is none, and gets it. */
TSS2_RC jobs_parent(ESYS_CONTEXT *esys, ESYS_TR *parent);

/* Seals data under the parent: with an empty password, or for those with the policy `digest`. */
TSS2_RC jobs_seal(ESYS_CONTEXT *esys, ESYS_TR parent, const TPM2B_DIGEST *policy,
                  TPM2B_PRIVATE **private, TPM2B_PUBLIC **public);

/* Runs PolicyPCR for PCR 7 in the session. */
TSS2_RC jobs_policy(ESYS_CONTEXT *esys, ESYS_TR session);

/* Unseals what jobs_seal() sealed and compares it; `second` may be one that encrypts the answer. */
TSS2_RC jobs_unseal(ESYS_CONTEXT *esys, ESYS_TR object, ESYS_TR session, ESYS_TR second);
