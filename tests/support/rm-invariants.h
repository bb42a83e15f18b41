/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold of the resource manager's books between two commands. Fuzzers, the model and unit
 * tests ask for it, each after every step. The functions return NULL, or a sentence that says which
 * rule is broken; it holds until the next call. One thread.
 */
#pragma once

#include "rm/state.h"

/* The books agree with themselves: counts, references, order, charges, states; and with what their
 * journal says, where they have one (mirror.h). */
const char *rm_invariants_books(struct rm *rm);

/*
 * The books agree with the chip, which is asked for its own lists: what the manager thinks is
 * loaded is exactly what is, and what it thinks is saved too. Only for a chip that tells the truth.
 * Nothing is said where the books are in doubt anyway, and of a chip that is not started or is
 * busy.
 */
const char *rm_invariants_chip(struct rm *rm, struct rm_tpm *chip);

/* The client may name what stands in the handle area and the authorization area of the command of
 * `size` bytes at `bytes`, which is on its way to the chip. */
const char *rm_invariants_command(struct rm_client *client, const uint8_t *bytes, size_t size);
