/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCTI for ESYS in the test's own thread, to one client's end of an engine's world: while it
 * waits for the response it has the TPM answer.
 */
#pragma once

#include "engine-world.h"

#include <tss2/tss2_esys.h>

struct engine_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    struct engine_world *world;
    int client;
    uint8_t response[ENGINE_CHIP_MAX];
    size_t size; /* of the response, 0 when none was taken off the socket */
    ESYS_CONTEXT *esys;
};

/* The ESYS context is in `esys`. The client may go and another come in its place. */
struct engine_tcti *engine_tcti_new(struct engine_world *world, int client);
void engine_tcti_free(struct engine_tcti *tcti);
