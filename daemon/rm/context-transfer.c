/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/context-transfer.h"

#include "rm/doubt.h"
#include "rm/object-lifecycle.h"
#include "rm/rc.h"
#include "rm/transact.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <assert.h>

static uint32_t send(struct rm *rm, size_t size, size_t *response_size)
{
    uint32_t code;

    rm->stats.context_commands++;
    code = rm_transact_own(rm, size, response_size);
    explicit_bzero(rm->own_command, size);
    return code;
}

/* Memory for a context of what has this mark, in the heap and in the journal. An earlier context
 * that is not committed yet does not take that. NULL without memory. */
static uint8_t *save_reserve(struct rm *rm, struct journal_mark *mark)
{
    journal_commit(rm->journal);
    if (!journal_claim(rm->journal, mark, 0, rm->response_capacity))
        return NULL;
    return malloc(rm->response_capacity);
}

/* TPM2_ContextSave of `handle`; the context goes to `context`. The memory is taken before the
 * command is sent: a session's only context must not be lost between chip and heap. */
static uint32_t save(struct rm *rm, uint32_t handle, struct journal_mark *mark,
                     struct blob *context)
{
    uint8_t *bytes = save_reserve(rm, mark), *shrunk;
    size_t size;
    uint32_t code;

    if (!bytes)
        return RM_RC_MEMORY;
    code = send(rm, command_build_context_save(rm->own_command, handle), &size);
    if (code != TPM2_RC_SUCCESS || size == HEADER_SIZE) {
        free(bytes);
        return code != TPM2_RC_SUCCESS ? code : RM_RC_FAILURE;
    }
    size -= HEADER_SIZE;
    memcpy(bytes, rm->own_response + HEADER_SIZE, size);
    shrunk = realloc(bytes, size);
    *context = (struct blob){.bytes = shrunk ? shrunk : bytes, .size = size};
    return TPM2_RC_SUCCESS;
}

/* TPM2_ContextLoad of `context`; the handle that the chip gives goes to *handle. */
static uint32_t load(struct rm *rm, const struct blob *context, uint32_t *handle)
{
    size_t size;
    uint32_t code;

    if (HEADER_SIZE + context->size > rm->command_capacity)
        return RM_RC_FAILURE;
    code =
        send(rm, command_build_context_load(rm->own_command, context->bytes, context->size), &size);
    if (code != TPM2_RC_SUCCESS)
        return code;
    if (size != HEADER_SIZE + 4) {
        doubt_books(rm, "the answer to a load has another size");
        return RM_RC_FAILURE;
    }
    *handle = load_be32(rm->own_response + RESPONSE_HANDLE_AT);
    return TPM2_RC_SUCCESS;
}

/* TPM2_FlushContext. A handle that the chip does not know counts as flushed. */
static uint32_t flush(struct rm *rm, uint32_t handle)
{
    size_t size;
    uint32_t code = send(rm, command_build_flush_context(rm->own_command, handle), &size);

    if (code == TPM2_RC_HANDLE + TPM2_RC_P + TPM2_RC_1)
        return TPM2_RC_SUCCESS;
    return code;
}

uint32_t context_transfer_save_object(struct rm *rm, struct object *object)
{
    struct blob context = {0};
    uint32_t code;

    assert(object->physical != OBJECT_NOT_LOADED);
    code = save(rm, object->physical, &object->mark, &context);
    if (code == TPM2_RC_SUCCESS && !object_take_context(rm, object, &context))
        code = RM_RC_FAILURE;
    if (code != TPM2_RC_SUCCESS)
        journal_claim(rm->journal, &object->mark, 0, 0);
    return code;
}

uint32_t context_transfer_load_object(struct rm *rm, struct object *object)
{
    uint32_t code, physical;

    assert(object->physical == OBJECT_NOT_LOADED && !blob_empty(&object->saved));
    code = load(rm, &object->saved, &physical);
    if (code != TPM2_RC_SUCCESS)
        return code;
    if (!handle_is_transient(physical) || !object_lifecycle_loaded(rm, object, physical)) {
        doubt_books(rm, "an object was loaded to a handle that another one has");
        return RM_RC_FAILURE;
    }
    return TPM2_RC_SUCCESS;
}

uint32_t context_transfer_flush_object(struct rm *rm, struct object *object)
{
    uint32_t code;

    assert(object->physical != OBJECT_NOT_LOADED);
    code = flush(rm, object->physical);
    if (code == TPM2_RC_SUCCESS)
        object_set_physical(rm, object, OBJECT_NOT_LOADED);
    return code;
}

uint32_t context_transfer_save_session(struct rm *rm, struct session *session)
{
    struct blob context = {0};
    uint32_t code;

    assert(session->loaded);
    code = save(rm, session->handle, &session->mark, &context);
    if (code == TPM2_RC_SUCCESS && !session_take_context(rm, session, &context)) {
        doubt_books(rm, "the context of a saved session is none");
        code = RM_RC_FAILURE;
    }
    if (code != TPM2_RC_SUCCESS)
        journal_claim(rm->journal, &session->mark, 0, 0);
    return code;
}

uint32_t context_transfer_load_session(struct rm *rm, struct session *session)
{
    uint32_t code, handle;

    assert(!session->loaded && !blob_empty(&session->saved));
    code = load(rm, &session->saved, &handle);
    if (code != TPM2_RC_SUCCESS)
        return code;
    if (handle != session->handle) {
        doubt_books(rm, "a session was loaded under another handle");
        return RM_RC_FAILURE;
    }
    session_loaded(rm, session);
    return TPM2_RC_SUCCESS;
}

uint32_t context_transfer_flush_session(struct rm *rm, struct session *session)
{
    uint32_t code = flush(rm, session->handle);

    if (code == TPM2_RC_SUCCESS)
        session_apply(rm, session, SESSION_EVENT_ENDED);
    return code;
}
