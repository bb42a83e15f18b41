/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/statistics.h"

#include "rm/rc.h"

#include <tss2/tss2_common.h>

/* Why the manager refused a command with `code`, of which the layer is taken off. */
static enum rm_refusal refusal_of(uint32_t code)
{
    if (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6)
        return RM_REFUSAL_HANDLES;
    switch (code) {
    case TPM2_RC_DISABLED:
        return RM_REFUSAL_POLICY;
    case TPM2_RC_LOCKOUT:
        return RM_REFUSAL_PASSWORDS;
    case TPM2_RC_OBJECT_MEMORY:
        return RM_REFUSAL_OBJECTS;
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
        return RM_REFUSAL_SESSIONS;
    case TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1:
        return RM_REFUSAL_HANDLES;
    case TPM2_RC_AUTH_CONTEXT:
        return RM_REFUSAL_SHARED;
    case TPM2_RC_LOCALITY:
        return RM_REFUSAL_LOCALITY;
    case TPM2_RC_MEMORY:
        return RM_REFUSAL_MEMORY;
    case TPM2_RC_FAILURE:
        return RM_REFUSAL_TPM;
    default:
        return RM_REFUSAL_MALFORMED;
    }
}

void statistics_note_failure(struct rm_statistics *statistics, bool sent, uint32_t code)
{
    bool ours = (code & TSS2_RC_LAYER_MASK) == TSS2_RESMGR_RC_LAYER;

    statistics->failures++;
    if (ours || !sent)
        statistics->refusals[refusal_of(ours ? code - TSS2_RESMGR_RC_LAYER : code)]++;
}
