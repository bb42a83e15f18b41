/* SPDX-License-Identifier: BSD-2-Clause */
/* What must be there when a daemon has died: all that clients hold, but for what the chip cannot
 * give back. */
#pragma once

#include "crash-world.h"

/* Ends the process of a daemon that came after another one with a sentence, or fails the test. */
void crash_must(const struct crash_world *world, bool holds, const char *what);

/* What each policy's digest is, from the chip itself. */
void crash_learn_policies(struct crash_world *world);

/* The only context of this session was on its way from the chip. */
void crash_lose_session(struct crash_world *world, uint32_t handle);

/* The answer to the step's command is lost: sessions and sequences that it named end, and keys, if
 * the chip ran it, of a hierarchy that went by it. */
void crash_lose_named(struct crash_world *world);

/* Has the command run that was read and not sent, if there is one; then looks at all that clients
 * hold, by use, and at what stays in the chip when all clients are gone. */
void crash_check(struct crash_world *world, bool has_command);
