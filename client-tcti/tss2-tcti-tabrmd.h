/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCTI that talks to tabrmd, the TPM access broker and resource manager. */
#ifndef TSS2_TCTI_TABRMD_H
#define TSS2_TCTI_TABRMD_H

#include <tss2/tss2_tcti.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Connects to tabrmd.
 *
 * With `context` NULL it stores the size of a context in `*size` and returns TSS2_RC_SUCCESS.
 * Otherwise `context` points to `*size` bytes that the caller owns, suitably aligned for any type,
 * and `conf` says where tabrmd is (NULL or "" for the usual place); see tss2-tcti-tabrmd(7).
 * The context must not be moved or copied. Tss2_Tcti_Finalize() ends it; the memory stays the
 * caller's.
 *
 * Returns an error of the TCTI layer: BAD_VALUE (conf, or `size` NULL), INSUFFICIENT_BUFFER
 * (`*size` too small), NO_CONNECTION (nobody answers within 5 s, or tabrmd takes no more
 * connections), NOT_PERMITTED, NOT_SUPPORTED (the D-Bus part of the library cannot be loaded),
 * NOT_IMPLEMENTED or MALFORMED_RESPONSE (who answers is not tabrmd), MEMORY, GENERAL_FAILURE.
 */
TSS2_RC Tss2_Tcti_Tabrmd_Init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *conf);

#ifdef __cplusplus
}
#endif

#endif
