/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon is at, where an administrator looks first: in the line that systemctl status
 * shows, and in the log. Main thread. */
#pragma once

#include "engine/engine-state.h"
#include "engine/trouble.h"

#include <stdbool.h>

/* All zero at first. */
struct status_line {
    bool told; /* there is a line */
};

/* Tells the service manager what is not as it should be, and then that it is again. */
void status_line_tell(struct status_line *line, enum engine_state state);

/* Logs a trouble with its remedy, but for those that the log has already. */
void status_line_log(enum trouble trouble);
