/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing our books in line with the chip when a command took more than it named, when an answer
 * was lost, or when the chip was reset. What is there is asked of the chip itself.
 */
#pragma once

#include "rm/state.h"

/*
 * After a successful command of a client that removes a hierarchy's objects (TPM2_Clear,
 * TPM2_ChangePPS, TPM2_ChangeEPS, TPM2_HierarchyControl): drops them, for every client, in the
 * chip or not. Nothing for other commands.
 */
void resync_hierarchies(struct rm *rm, const struct command *command);

/*
 * Compares what we think is in the chip with what it lists. Objects and sessions of ours that it
 * does not have leave it in our books too; transient objects and loaded sessions that we do not
 * know are the remains of a lost answer and are flushed (other users of the chip leave none
 * loaded between commands). Returns false when the chip does not answer as it should; then it
 * is still due.
 */
bool resync_all(struct rm *rm);

/* The same if the books are in doubt, which is how each doubt is settled. True when they are in
 * order then. */
bool resync_doubt(struct rm *rm);

/*
 * The chip said that it was reset: starts it, forgets what cannot have survived, and keeps the
 * contexts that may have, for the chip to judge when they are used. False when it does not start.
 */
bool resync_after_reset(struct rm *rm);

/* The same when a client has started the chip. */
void resync_after_startup(struct rm *rm);
