/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI straight on swtpm's Unix sockets: raw TPM commands and responses on one, swtpm's control
 * channel on the other. It stands below the counting TCTI, and tests use it to look into the chip
 * when no daemon is connected (swtpm serves one connection at a time).
 */
#pragma once

#include <tss2/tss2_tcti.h>

/* The largest response that is read; a chip that says more has lost the framing. */
#define TCTI_SWTPM_RESPONSE_MAX 262144

/* Connects. `ctrl` may be NULL: cancel and setLocality are not implemented then. Returns NULL with
 * errno set. The context is freed by its finalize function. */
TSS2_TCTI_CONTEXT *tcti_swtpm_new(const char *server, const char *ctrl);

/* What Tss2_Tcti_Finalize() does, and frees the context itself. NULL is fine. */
void tcti_swtpm_free(TSS2_TCTI_CONTEXT *tcti);
