/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/object-lifecycle.h"

bool object_lifecycle_loaded(struct rm *rm, struct object *object, uint32_t physical)
{
    list_for_each (link, &rm->slots) {
        struct object *other = list_entry(link, struct object, slot_link);

        if (other->physical != physical || other == object)
            continue;
        if (other->pinned)
            return false;
        object_lifecycle_left(rm, other);
    }
    object_set_physical(rm, object, physical);
    if (!object->immutable)
        object_clear_context(rm, object);
    return true;
}

void object_lifecycle_lost(struct rm *rm, struct object *object)
{
    object_set_physical(rm, object, OBJECT_NOT_LOADED);
    object_reference(object);
    list_for_each (link, &rm->clients) {
        handles_remove_object(rm, &list_entry(link, struct rm_client, link)->handles, object);
    }
    object_unreference(rm, object);
}

void object_lifecycle_left(struct rm *rm, struct object *object)
{
    object_set_physical(rm, object, OBJECT_NOT_LOADED);
    if (blob_empty(&object->saved) || object->references == 0)
        object_lifecycle_lost(rm, object);
}

void object_lifecycle_drop_context(struct rm *rm, struct object *object)
{
    object_clear_context(rm, object);
    if (object->physical == OBJECT_NOT_LOADED)
        object_lifecycle_lost(rm, object);
}
