/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects coming into the chip and leaving it, and what that means for the handles of clients. */
#pragma once

#include "rm/state.h"

/* The chip loaded the object to `physical`. The context of a sequence is used up by that. Another
 * object that we thought to be there cannot be: it has left its slot, or is lost. False when the
 * running command names that other one: the chip contradicts itself. */
bool object_lifecycle_loaded(struct rm *rm, struct object *object, uint32_t physical);

/* The chip has the object no more; where its context is valid it lives on outside. */
void object_lifecycle_left(struct rm *rm, struct object *object);

/* The object cannot come back: it is neither in the chip nor in a valid context. Each handle that
 * names it, of any client, is taken back, and it is freed. */
void object_lifecycle_lost(struct rm *rm, struct object *object);

/* The object's context is void from now on. One that is not in the chip is lost by that. */
void object_lifecycle_drop_context(struct rm *rm, struct object *object);
