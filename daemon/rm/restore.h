/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books of a former daemon, made anew from its journal: all of them, or nothing. A commit is
 * whole, so there is no half state to be guessed about; what is not as it should be is damage.
 */
#pragma once

#include "rm/journal-image.h"
#include "rm/rm.h"

/* Whether the records agree with each other: ranges, references, indexes of sessions and handles
 * that are unique, contexts that are well formed and their session's own. JOURNAL_GOOD,
 * JOURNAL_DAMAGED or JOURNAL_MEMORY. Touches nothing. */
enum journal_verdict restore_check(const struct journal_image *image);

/*
 * Fills an empty manager, whose journal is set and not complete, with clients, objects, handles and
 * sessions; limits do not apply. The clients are found by rm_find_client() under the cookies of
 * their connections. False without memory, or when the records do not agree: then the manager is
 * only good to be freed with restore_undo().
 */
bool restore_books(struct rm *rm, const struct journal_image *image);

/* Clears `ledger`, enters all sessions that restore_books() made, and sets it as the manager's. */
void restore_ledger(struct rm *rm, struct ledger *ledger);

/* Frees all clients that restore_books() made. */
void restore_undo(struct rm *rm);

/*
 * The answer to this command of the client's, which was on its way to the chip, is lost: what it
 * names ends (client_lose_named()). `bytes` are the client's own. Before restore_verify().
 */
void restore_lost_answer(struct rm_client *client, uint8_t *bytes, size_t size);

/*
 * Compares the books with the chip, as after a lost answer. Objects with a context leave their
 * slots; of the others the Name tells whether they are still the ones, and a sequence object only
 * that it is one. Without an answer the books stay in doubt, and the comparison is made before the
 * next command. `restarted`: the chip's Startup succeeded, so it was reset meanwhile.
 */
void restore_verify(struct rm *rm, bool restarted);
