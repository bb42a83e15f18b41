/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/object.h"

#include "rm/state.h"
#include "wire/tpms-context.h"

#include <assert.h>

struct object *object_new(struct rm *rm)
{
    struct object *object = calloc(1, sizeof(*object));

    if (!object)
        return NULL;
    if (!journal_open(rm->journal, &object->mark, JOURNAL_OBJECT)) {
        free(object);
        return NULL;
    }
    list_init(&object->content_link);
    list_init(&object->link);
    list_init(&object->slot_link);
    eviction_record_init(&object->eviction);
    list_insert_before(&rm->objects, &object->link);
    return object;
}

void object_free(struct rm *rm, struct object *object)
{
    if (!object)
        return;
    assert(object->references == 0 && object->physical == OBJECT_NOT_LOADED);
    eviction_forget(&rm->object_eviction, &object->eviction);
    list_remove(&object->link);
    list_remove(&object->content_link);
    journal_close(rm->journal, &object->mark);
    blob_clear(&object->saved);
    blob_clear(&object->public_answer);
    free(object);
}

void object_set_physical(struct rm *rm, struct object *object, uint32_t physical)
{
    rm->objects_loaded -= object->physical != OBJECT_NOT_LOADED;
    list_remove(&object->slot_link);
    object->physical = physical;
    object->unproven = false;
    journal_touch(rm->journal, &object->mark);
    if (physical == OBJECT_NOT_LOADED)
        return;
    rm->objects_loaded++;
    list_insert_before(&rm->slots, &object->slot_link);
}

/* Contexts carry a number that the TPM counts up, so that it spreads evenly. */
static struct list *content_bucket(struct rm *rm, uint64_t sequence)
{
    return &rm->contents[sequence % RM_CONTENT_BUCKETS];
}

bool object_take_context(struct rm *rm, struct object *object, struct blob *context)
{
    struct tpms_context fields;

    if (!tpms_context_parse(&fields, context->bytes, context->size)
        || fields.saved_handle < CONTEXT_OBJECT || fields.saved_handle > CONTEXT_STCLEAR
        || context->size > rm->response_capacity - HEADER_SIZE) {
        blob_clear(context);
        return false;
    }
    blob_move(&object->saved, context);
    journal_touch(rm->journal, &object->mark);
    object->hierarchy = fields.hierarchy;
    object->st_clear = fields.saved_handle == CONTEXT_STCLEAR;
    object->immutable = fields.saved_handle != CONTEXT_SEQUENCE;
    list_remove(&object->content_link);
    if (object->immutable)
        list_insert_before(content_bucket(rm, fields.sequence), &object->content_link);
    return true;
}

void object_clear_context(struct rm *rm, struct object *object)
{
    if (blob_empty(&object->saved))
        return;
    blob_clear(&object->saved);
    list_remove(&object->content_link);
    journal_touch(rm->journal, &object->mark);
}

void object_set_name(struct rm *rm, struct object *object, const uint8_t *name, size_t size)
{
    object->name_size = (uint8_t)(size < RECORD_NAME ? size : RECORD_NAME);
    memcpy(object->name, name, object->name_size);
    journal_touch(rm->journal, &object->mark);
}

struct object *object_find_content(struct rm *rm, const uint8_t *bytes, size_t size)
{
    struct tpms_context fields;
    struct list *bucket;

    if (!tpms_context_parse(&fields, bytes, size))
        return NULL;
    bucket = content_bucket(rm, fields.sequence);
    list_for_each (link, bucket) {
        struct object *object = list_entry(link, struct object, content_link);

        if (blob_equal(&object->saved, bytes, size))
            return object;
    }
    return NULL;
}

void object_reference(struct object *object)
{
    object->references++;
}

void object_unreference(struct rm *rm, struct object *object)
{
    assert(object->references > 0);
    object->references--;
    if (object->references == 0 && object->physical == OBJECT_NOT_LOADED)
        object_free(rm, object);
}
