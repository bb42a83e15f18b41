/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/engine-state.h"

const char *engine_state_name(enum engine_state state)
{
    switch (state) {
    case ENGINE_STARTING:
        return "starting";
    case ENGINE_SERVING:
        return "serving";
    case ENGINE_SUSPENDED:
        return "suspended";
    case ENGINE_LOST:
        return "lost";
    case ENGINE_FAILED:
        return "failed";
    case ENGINE_STOPPING:
        return "stopping";
    }
    return "";
}
