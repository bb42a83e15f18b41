/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects that come into the chip, leave it or are lost, and what becomes of the handles of
 * clients. */
#pragma once

#include "rm/state.h"

/* The chip loaded the object to `physical`, which uses up the context of a sequence object. Another
 * object that has this handle in the books has left its slot, or is lost. False when the running
 * command names that other object: the chip contradicts itself. */
bool object_lifecycle_loaded(struct rm *rm, struct object *object, uint32_t physical);

/* The chip has the object no more. Without a valid context the object is lost. */
void object_lifecycle_left(struct rm *rm, struct object *object);

/* The object cannot come back: it is neither in the chip nor in a valid context. Each handle that
 * names it, of any client, is taken back, and it is freed. */
void object_lifecycle_lost(struct rm *rm, struct object *object);

/* The object's context is void from now on. An object that is not in the chip is lost by that. */
void object_lifecycle_drop_context(struct rm *rm, struct object *object);
