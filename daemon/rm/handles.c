/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/handles.h"

#include "rm/note.h"
#include "rm/state.h"
#include "wire/handle.h"

#include <assert.h>

#define FIRST_CAPACITY 4

static bool reserve_entry(struct handles *handles)
{
    uint32_t capacity;
    struct handle_entry *entries;

    if (handles->count < handles->capacity)
        return true;
    capacity = handles->capacity ? 2 * handles->capacity : FIRST_CAPACITY;
    entries = reallocarray(handles->entries, capacity, sizeof(*entries));
    if (!entries)
        return false;
    handles->entries = entries;
    handles->capacity = capacity;
    return true;
}

bool handles_reserve(struct rm *rm, struct handles *handles)
{
    if (handles->cell == 0)
        handles->cell = journal_take_cell(rm->journal);
    return (!rm->journal || handles->cell != 0) && reserve_entry(handles);
}

uint32_t handles_position(const struct handles *handles, uint32_t handle)
{
    uint32_t low = 0, high = handles->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (handles->entries[middle].handle < handle)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct handles *handles, uint32_t position, uint32_t handle)
{
    return position < handles->count && handles->entries[position].handle == handle;
}

/* The place is there, and is the handle's. */
static void insert_at(struct rm *rm, struct handles *handles, uint32_t position, uint32_t handle,
                      struct object *object)
{
    memmove(handles->entries + position + 1, handles->entries + position,
            (handles->count - position) * sizeof(*handles->entries));
    handles->entries[position] = (struct handle_entry){handle, handles->cell, object};
    handles->cell = 0;
    note_handle(rm, handles, &handles->entries[position]);
    handles->count++;
    handles->user->objects++;
    object_reference(object);
}

void handles_append(struct rm *rm, struct handles *handles, uint32_t handle, struct object *object)
{
    assert(handles->count < handles->capacity
           && (handles->count == 0 || handles->entries[handles->count - 1].handle < handle));
    insert_at(rm, handles, handles->count, handle, object);
}

uint32_t handles_add(struct rm *rm, struct handles *handles, struct object *object)
{
    uint32_t handle, position;

    /* Fewer than 2^24 handles are live, as the reserved array would not fit into memory. */
    assert(handles->count < handles->capacity && handles->count <= HANDLE_INDEX_MASK);
    do {
        handle = HANDLE_TRANSIENT_FIRST + handles->next;
        handles->next = (handles->next + 1) & HANDLE_INDEX_MASK;
        position = handles_position(handles, handle);
    } while (is_at(handles, position, handle));
    insert_at(rm, handles, position, handle, object);
    return handle;
}

struct object *handles_find(const struct handles *handles, uint32_t handle)
{
    uint32_t position = handles_position(handles, handle);

    return is_at(handles, position, handle) ? handles->entries[position].object : NULL;
}

static void remove_at(struct rm *rm, struct handles *handles, uint32_t position)
{
    struct object *object = handles->entries[position].object;

    journal_give_back(rm->journal, handles->entries[position].cell);
    handles->count--;
    handles->user->objects--;
    memmove(handles->entries + position, handles->entries + position + 1,
            (handles->count - position) * sizeof(*handles->entries));
    object_unreference(rm, object);
}

bool handles_remove(struct rm *rm, struct handles *handles, uint32_t handle)
{
    uint32_t position = handles_position(handles, handle);

    if (!is_at(handles, position, handle))
        return false;
    remove_at(rm, handles, position);
    return true;
}

void handles_remove_object(struct rm *rm, struct handles *handles, const struct object *object)
{
    for (uint32_t position = handles->count; position > 0; position--) {
        if (handles->entries[position - 1].object == object)
            remove_at(rm, handles, position - 1);
    }
}

void handles_clear(struct rm *rm, struct handles *handles)
{
    while (handles->count > 0)
        remove_at(rm, handles, handles->count - 1);
    journal_give_back(rm->journal, handles->cell);
    handles->cell = 0;
    free(handles->entries);
    handles->entries = NULL;
    handles->capacity = 0;
}
