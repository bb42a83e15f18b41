/* SPDX-License-Identifier: BSD-2-Clause */
/* What of the chip is the manager's: all that it has, less the reserve. */
#pragma once

#include "rm/state.h"

static inline uint32_t capacity_less_reserve(uint32_t all, uint32_t reserve)
{
    return all > reserve ? all - reserve : 1;
}

/* Slots that objects may take between commands. At least one. */
static inline uint32_t capacity_object_slots(const struct rm *rm)
{
    return capacity_less_reserve(rm->chip.object_slots, rm->reserve.objects);
}

/* The same of sessions. */
static inline uint32_t capacity_session_slots(const struct rm *rm)
{
    return capacity_less_reserve(rm->chip.session_slots, rm->reserve.sessions);
}

/* Sessions, loaded and saved, that the chip may track for the manager; at least one. Without a
 * reserve of them there is no bound but the chip's own refusal. */
static inline uint32_t capacity_active_sessions(const struct rm *rm)
{
    if (rm->reserve.active == 0)
        return UINT32_MAX;
    return capacity_less_reserve(rm->chip.active_sessions, rm->reserve.active);
}
