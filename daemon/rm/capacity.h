/* SPDX-License-Identifier: BSD-2-Clause */
/* What of the chip is the manager's: all that it has, less the reserve. */
#pragma once

#include "rm/state.h"

/* Slots that objects and sessions may take between commands. At least one of each. */
uint32_t capacity_object_slots(const struct rm *rm);
uint32_t capacity_session_slots(const struct rm *rm);

/* Sessions, loaded and saved, that the chip may track for the manager; at least one. Without a
 * reserve of them there is no bound but the chip's own refusal. */
uint32_t capacity_active_sessions(const struct rm *rm);
