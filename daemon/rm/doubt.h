/* SPDX-License-Identifier: BSD-2-Clause */
/* Doubt about what the chip holds: the chip may have something that is not in the books, or lack
 * something that is. */
#pragma once

struct rm;

/* The books are in doubt from here on, until resync_doubt() has asked the chip. `why` is a clause
 * for a person who reads the log at level debug. */
void doubt_books(struct rm *rm, const char *why);
