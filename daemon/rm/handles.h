/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual transient handles of one client: a sorted array of handle and object. Handles are
 * given out in a circle through 0x80000000 to 0x80FFFFFF, so that a handle which was just flushed
 * does not soon mean another object. A live handle is never given out again.
 */
#pragma once

#include "rm/object.h"
#include "rm/user.h"

struct handle_entry {
    uint32_t handle;
    uint32_t cell; /* in the journal; 0 without one */
    struct object *object;
};

struct handles {
    struct handle_entry *entries; /* ascending by handle */
    uint32_t count, capacity;
    struct rm_user *user; /* who is charged for them */
    uint32_t next;        /* index (low 24 bits) to try first */
    uint32_t cell;        /* in the journal, for the handle that is given out next; 0: none yet */
};

/* Makes sure that the next handles_add() finds room, in the journal too. False without memory. */
bool handles_reserve(struct rm *rm, struct handles *handles);

/* Gives out a handle for the object and references it. Never fails after handles_reserve(). */
uint32_t handles_add(struct rm *rm, struct handles *handles, struct object *object);

/* Gives out again a handle that the client had of a former daemon, greater than all that it has
 * now, and references the object. Never fails after handles_reserve(). */
void handles_append(struct rm *rm, struct handles *handles, uint32_t handle, struct object *object);

/* The object that `handle` names, or NULL. */
struct object *handles_find(const struct handles *handles, uint32_t handle);

/* Takes the handle back; the object loses a reference. False when there is no such handle. */
bool handles_remove(struct rm *rm, struct handles *handles, uint32_t handle);

/* Takes back each handle that names the object. */
void handles_remove_object(struct rm *rm, struct handles *handles, const struct object *object);

/* The position of the first handle that is `handle` or greater. */
uint32_t handles_position(const struct handles *handles, uint32_t handle);

/* Takes back all handles and frees the array, which is empty then. */
void handles_clear(struct rm *rm, struct handles *handles);
