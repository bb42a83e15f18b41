/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that dies leaves undone on a connection that it shared. */
#pragma once

#include "journal.h"

/*
 * Finishes what was begun by the journal of the connection `fd`: sends the rest of a frame of which
 * a part was sent, takes the rest of its answer and drops it. Waits as long as the daemon takes.
 * `control` says whether control replies may come. Returns 0, or a negative errno; then the
 * connection is of no more use, and the journal says so.
 */
int journal_recover(struct journal *journal, int fd, bool control);
