/* SPDX-License-Identifier: BSD-2-Clause */
/* Response codes of the resource manager's own: the layer with a TPM-format code, so that
 * tpm2_rc_decode turns them into a sentence. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#define RM_RC(tpm_rc) ((uint32_t)(TSS2_RESMGR_RC_LAYER + (tpm_rc)))

#define RM_RC_OBJECT_MEMORY   RM_RC(TPM2_RC_OBJECT_MEMORY)   /* 0xB0902: too many objects */
#define RM_RC_SESSION_MEMORY  RM_RC(TPM2_RC_SESSION_MEMORY)  /* 0xB0903: too many sessions */
#define RM_RC_SESSION_HANDLES RM_RC(TPM2_RC_SESSION_HANDLES) /* 0xB0905: in the TPM */
#define RM_RC_HANDLE(n)       RM_RC(TPM2_RC_REFERENCE_H0 + (n))
#define RM_RC_SESSION(n)      RM_RC(TPM2_RC_REFERENCE_S0 + (n))
/* TPM_RC_HANDLE for parameter 1 (0xB01CB). */
#define RM_RC_PARAMETER_HANDLE RM_RC(TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1)
#define RM_RC_DISABLED         RM_RC(TPM2_RC_DISABLED)     /* 0xB0120: not by the client's policy */
#define RM_RC_LOCKOUT          RM_RC(TPM2_RC_LOCKOUT)      /* 0xB0921: too many wrong passwords */
#define RM_RC_COMMAND_SIZE     RM_RC(TPM2_RC_COMMAND_SIZE) /* 0xB0142 */
#define RM_RC_CANCELED         RM_RC(TPM2_RC_CANCELED)     /* 0xB0909 */
#define RM_RC_LOCALITY         RM_RC(TPM2_RC_LOCALITY)     /* 0xB0907 */
#define RM_RC_FAILURE          RM_RC(TPM2_RC_FAILURE)      /* 0xB0101: TPM lost or talks nonsense */
#define RM_RC_MEMORY           RM_RC(TPM2_RC_MEMORY)       /* 0xB0904: the daemon's own memory */

/* Whether the code is no answer to a question of the manager's: a warning, after which the chip may
 * say something else (Part 2, "TPM_RC Values"), or no answer at all. */
static inline bool rc_is_no_answer(uint32_t code)
{
    return code == RM_RC_FAILURE || (code & (TPM2_RC_FMT1 | TPM2_RC_WARN)) == TPM2_RC_WARN;
}
