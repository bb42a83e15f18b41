/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine is at, for those above it. Any thread. */
#pragma once

enum engine_state {
    ENGINE_STARTING,
    ENGINE_SERVING,
    ENGINE_SUSPENDED, /* or about to be */
    ENGINE_LOST,      /* the TPM does not answer, and is opened again */
    ENGINE_FAILED,    /* there is no TPM, or none any more */
    ENGINE_STOPPING,
};

/* "serving"; static. */
const char *engine_state_name(enum engine_state state);
