/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server is at. */
#pragma once

#include "engine/engine-state.h"
#include "engine/tpm-link.h"

enum server_phase {
    SERVER_STARTING,
    SERVER_SERVING,
    SERVER_SUSPENDING,   /* commands are held, the TPM is being emptied */
    SERVER_SUSPENDED,    /* commands are held, the TPM has nothing that sleep would lose */
    SERVER_HANDING_OVER, /* commands are held, the TPM is being emptied for the next daemon */
    SERVER_HANDED_OVER,  /* commands are held; the process may end at any moment */
    SERVER_FAILED,       /* there is no TPM, or none any more */
    SERVER_STOPPING,
};

/* Whether there are clients, or may be some. */
bool server_phase_lives(enum server_phase phase);

/* Whether the command that runs is the last one. */
bool server_phase_ends(enum server_phase phase);

/* The same for those above the engine. */
enum engine_state server_phase_state(enum server_phase phase, enum tpm_link_state link);
