/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings the books in line with the chip when a command removed more than it named, when an answer
 * was lost, or when the chip was reset. The chip itself is asked what it holds.
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
 * Compares the books with what the chip lists. Objects and sessions of the books that the chip does
 * not list have left it. Transient objects and loaded sessions that are not in the books were made
 * by a command whose answer was lost, and are flushed (other users of the chip leave none loaded
 * between commands). Objects that a former daemon noted are only believed when their Names tell
 * that they are the ones (identity.h). False when the chip does not answer as it should; the
 * comparison is still due then.
 */
bool resync_all(struct rm *rm);

/* The same if the books are in doubt: every doubt is settled here. True when the books are in order
 * then. */
bool resync_doubt(struct rm *rm);

/*
 * The chip said that it was reset. Starts the chip, forgets what cannot have survived, and keeps
 * contexts that may have: the chip judges them when they are used. False when the chip does not
 * start.
 */
bool resync_after_reset(struct rm *rm);

/* The same when a client has started the chip. */
void resync_after_startup(struct rm *rm);
