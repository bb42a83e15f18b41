/* SPDX-License-Identifier: BSD-2-Clause */
/* Doubt about what the chip holds: it may have what the books do not, or not what they say. */
#pragma once

struct rm;

/* The books are in doubt from here on, until resync_doubt() has asked the chip. `why` is a clause
 * for a person who reads the log at level debug. */
void doubt_books(struct rm *rm, const char *why);
