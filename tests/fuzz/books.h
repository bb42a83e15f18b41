/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold of the resource manager's books between two commands. A breach ends the process
 * with a sentence that says which rule is broken.
 */
#pragma once

#include "rm/state.h"

/* The books agree with themselves: counts, references, order, charges, states. */
void books_check(struct rm *rm);

/*
 * The books agree with the chip, which is asked for its own lists: what we think is loaded is
 * exactly what is, and what we think is saved too. Only for a chip that tells the truth, and only
 * where the manager does not know already that it has to look.
 */
void books_check_chip(struct rm *rm, struct rm_tpm *chip);

/* `client` may name what stands in the handle area and the authorization area of the command,
 * which is on its way to the chip. */
void books_check_command(struct rm_client *client, const uint8_t *bytes, size_t size);
