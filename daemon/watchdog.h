/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells the service manager that both threads turn, as often as it wants to know. Main thread. */
#pragma once

#include "bus/manager-frontend.h"
#include "engine/engine.h"

#include <stdbool.h>

/* All zero at first. */
struct watchdog {
    struct engine *engine; /* borrowed, with the next one; NULL: not started yet */
    struct manager_frontend *manager;
    bool silent; /* the engine gave no sign of life, which was logged */
};

/* Begins to, in the main loop; the watchdog is borrowed for as long as that runs. */
void watchdog_start(struct watchdog *watchdog);

/* Looks at these from now on. */
void watchdog_watch(struct watchdog *watchdog, struct engine *engine,
                    struct manager_frontend *manager);
