/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal over plain memory for a manager in a test's process, whose clients must have cookies
 * then. What the journal says must be what the manager's books say: whenever the manager sends a
 * command to its chip, and whenever it is asked, books are made of the journal and compared. One
 * thread, a few managers.
 */
#pragma once

#include "rm/journal-image.h"
#include "rm/state.h"

/* The manager, which has no clients yet, keeps its books in a journal from now on. */
void mirror_begin(struct rm *rm);

/* Frees the manager, and the journal if it has one. */
void mirror_end(struct rm *rm);

/* Commits, and compares. NULL where all is the same or the manager has no such journal, or a
 * sentence that says what differs, or what differed when a command was sent. It holds until the
 * next call. */
const char *mirror_check(struct rm *rm);

/* Compares the books with what is committed in this memory of the manager's journal. */
const char *mirror_look(struct rm *rm, const struct journal_memory *memory);

/* Nothing is compared until this is ended: the test takes memory away. */
void mirror_look_away(bool away);

/* Room for so many more bytes is all that there is; SIZE_MAX: as much as there was. */
void mirror_limit(struct rm *rm, size_t room);

/* Reads what is committed by now. False when it cannot be read. */
bool mirror_read(struct rm *rm, struct journal_image *image);
