/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/server-phase.h"

bool server_phase_lives(enum server_phase phase)
{
    switch (phase) {
    case SERVER_SERVING:
    case SERVER_SUSPENDING:
    case SERVER_SUSPENDED:
    case SERVER_HANDING_OVER:
    case SERVER_HANDED_OVER:
        return true;
    case SERVER_STARTING:
    case SERVER_FAILED:
    case SERVER_STOPPING:
        break;
    }
    return false;
}

bool server_phase_ends(enum server_phase phase)
{
    switch (phase) {
    case SERVER_STARTING:
    case SERVER_SERVING:
    case SERVER_SUSPENDING:
    case SERVER_SUSPENDED:
    case SERVER_FAILED:
        break;
    case SERVER_HANDING_OVER:
    case SERVER_HANDED_OVER:
    case SERVER_STOPPING:
        return true;
    }
    return false;
}

enum engine_state server_phase_state(enum server_phase phase, enum tpm_link_state link)
{
    switch (phase) {
    case SERVER_STARTING:
        break;
    case SERVER_SERVING:
        return link == TPM_LINK_LOST ? ENGINE_LOST : ENGINE_SERVING;
    case SERVER_SUSPENDING:
    case SERVER_SUSPENDED:
        return ENGINE_SUSPENDED;
    case SERVER_FAILED:
        return ENGINE_FAILED;
    case SERVER_HANDING_OVER:
    case SERVER_HANDED_OVER:
    case SERVER_STOPPING:
        return ENGINE_STOPPING;
    }
    return ENGINE_STARTING;
}
