/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of the engine: takes the TPM over, and with it what a former daemon left. */
#pragma once

#include "engine/adopt.h"
#include "engine/managed-tpm.h"
#include "engine/succession.h"

/* What is made; all of it is borrowed, and was not used yet. */
struct takeover {
    struct managed_tpm *managed;
    struct desk *desk;
    struct clients *clients;
    struct newcomers *newcomers;
    struct succession *succession;
    struct legacy *legacy; /* what was passed; it is empty afterwards */
    const struct engine_events *events;
};

/*
 * Takes the TPM over, makes the journal, if it is kept, and has a former daemon's clients served
 * on, or ends them where its journal cannot be used. Admits newcomers. False with the fault and a
 * sentence; what a former daemon left is as it was then, for the next attempt, unless memory is
 * out.
 */
bool takeover_run(const struct takeover *takeover, enum tpm_fault *fault,
                  char text[TPM_FAULT_TEXT]);
