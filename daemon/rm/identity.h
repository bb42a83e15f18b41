/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether an object in the chip is still the one that the books have there. Between two daemons,
 * another user of the chip may have put an object of its own under the same handle.
 */
#pragma once

#include "rm/state.h"

enum identity {
    IDENTITY_SAME,
    IDENTITY_OTHER,     /* or not to be told from another one */
    IDENTITY_NO_ANSWER, /* the chip did not tell */
};

/*
 * Asks the chip for the public area of a loaded object, which gives the object's Name. A sequence
 * object has none (Part 3, TPM2_ReadPublic: TPM_RC_SEQUENCE), so of such an object it only shows
 * that it is one.
 */
enum identity identity_ask(struct rm *rm, const struct object *object);
