/* SPDX-License-Identifier: BSD-2-Clause */
/* Has the engine save what sleep would lose when logind announces sleep on the bus (bus/sleep.h).
 * Main thread. */
#pragma once

#include "bus/sleep.h"
#include "engine/engine.h"

#include <stdbool.h>

/* All zero at first. */
struct sleeper {
    struct engine *engine; /* borrowed; NULL: nobody tells of sleep */
    struct sleep *sleep;   /* NULL while there is no connection to the bus */
    guint source;          /* of the time that the bus has, below; 0: none */
};

/*
 * `told` says that sleep is announced at all. With `waits` the engine holds commands until it is
 * known whether the machine is about to sleep: what clients of a former daemon have would be loaded
 * for them, and lost. It waits for SLEEPER_WAIT_MS at the most.
 */
#define SLEEPER_WAIT_MS 2000
void sleeper_start(struct sleeper *sleeper, struct engine *engine, bool told, bool waits);

/* There is a connection to the system bus, or still that one. */
void sleeper_connect(struct sleeper *sleeper, GDBusConnection *connection);

/* There is none, so that nobody would announce the end of a sleep. */
void sleeper_disconnect(struct sleeper *sleeper);

/* The TPM holds nothing that sleep would lose. */
void sleeper_ready(const struct sleeper *sleeper);

/* Harmless when repeated. */
void sleeper_clear(struct sleeper *sleeper);
