/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/capacity.h"

static uint32_t capacity_less_reserve(uint32_t all, uint32_t reserve)
{
    return all > reserve ? all - reserve : 1;
}

uint32_t capacity_object_slots(const struct rm *rm)
{
    return capacity_less_reserve(rm->chip.object_slots, rm->reserve.objects);
}

uint32_t capacity_session_slots(const struct rm *rm)
{
    return capacity_less_reserve(rm->chip.session_slots, rm->reserve.sessions);
}

uint32_t capacity_active_sessions(const struct rm *rm)
{
    if (rm->reserve.active == 0)
        return UINT32_MAX;
    return capacity_less_reserve(rm->chip.active_sessions, rm->reserve.active);
}
