/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/context.h"

#include "rm/rc.h"
#include "rm/residency.h"
#include "rm/room.h"
#include "rm/swap.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

static size_t answer_context(uint8_t *response, const struct blob *context)
{
    memcpy(response + HEADER_SIZE, context->bytes, context->size);
    return response_build_success(response, HEADER_SIZE + context->size);
}

static size_t answer_handle(uint8_t *response, uint32_t handle)
{
    store_be32(response + RESPONSE_HANDLE_AT, handle);
    return response_build_success(response, HEADER_SIZE + 4);
}

/* An object's context is a copy, and a valid one that is there will do. (That of a sequence is
 * dropped by each use, so what is there is valid.) */
static size_t save_object(struct rm_client *client, uint32_t handle, uint8_t *response)
{
    struct object *object = handles_find(&client->handles, handle);
    uint32_t code;

    if (!object)
        return response_build_code(response, RM_RC_HANDLE(0));
    if (blob_empty(&object->saved)) {
        code = swap_save_object(client->rm, object);
        if (code != TPM2_RC_SUCCESS)
            return response_build_code(response, code);
    }
    return answer_context(response, &object->saved);
}

/* A session's context is the session itself: whoever loads the bytes has it, once. */
static size_t save_session(struct rm_client *client, uint32_t handle, uint8_t *response)
{
    struct rm *rm = client->rm;
    struct session *session = session_find_usable(rm, client, handle);
    unsigned patience = room_patience(rm);
    uint32_t code = TPM2_RC_SUCCESS;
    struct blob held = {0};

    if (!session || session->handle != handle)
        return response_build_code(response, RM_RC_HANDLE(0));
    session->pinned = true;
    /* Bytes that were loaded once are never good again: another saving makes others. */
    if (!session->loaded && session->spent)
        code = residency_bring_session(rm, session);
    while (code == TPM2_RC_SUCCESS && session->loaded) {
        code = swap_save_session(rm, session);
        if (code != TPM2_RC_SUCCESS && patience-- > 0 && room_relieve(rm, &code))
            code = TPM2_RC_SUCCESS;
    }
    session->pinned = false;
    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    /* It is out of its slot now; without memory for the client's copy it stays the owner's. */
    if (!blob_set(&held, session->saved.bytes, session->saved.size)) {
        if (session_can(session, SESSION_EVENT_EVICT))
            session_apply(rm, session, SESSION_EVENT_EVICT);
        return response_build_code(response, RM_RC_MEMORY);
    }
    session_apply(rm, session, SESSION_EVENT_CLIENT_SAVE);
    blob_move(&session->held, &held);
    return answer_context(response, &session->held);
}

size_t context_save(struct rm_client *client, const struct command *command, uint8_t *response)
{
    uint32_t handle = command->handles[0];

    if (command_parameters_size(command) != 0)
        return response_build_code(response, RM_RC(TPM2_RC_SIZE));
    if (handle_is_session(handle))
        return save_session(client, handle, response);
    return save_object(client, handle, response);
}

/* Only a context that a client was given, and that was not loaded since, loads: the chip would
 * refuse anything else, but the bytes must not get that far, because a session that is live
 * elsewhere has to stay so. */
static size_t load_session(struct rm_client *client, const uint8_t *bytes, size_t size,
                           uint8_t *response)
{
    struct rm *rm = client->rm;
    struct session *session = session_find_held(rm, bytes, size);

    if (!session)
        return response_build_code(response, RM_RC_PARAMETER_HANDLE);
    if (session->owner != client && client_sessions_full(client))
        return response_build_code(response, RM_RC_SESSION_MEMORY);
    session_set_owner(session, client);
    session_apply(rm, session, SESSION_EVENT_CLIENT_LOAD);
    session->spent = true;
    if (session->loaded)
        session_apply(rm, session, SESSION_EVENT_LOAD);
    return answer_handle(response, session->handle);
}

size_t context_load(struct rm_client *client, const struct command *command, uint8_t *response)
{
    const uint8_t *bytes = command->bytes + command->parameters_at;
    size_t size = command_parameters_size(command);
    struct object *object;

    if (size >= 12 && handle_is_session(load_be32(bytes + 8)))
        return load_session(client, bytes, size, response);
    object = object_find_content(client->rm, bytes, size);
    if (!object || client->rm->chip.audited[command->table_index])
        return 0;
    if (client_objects_full(client))
        return response_build_code(response, RM_RC_OBJECT_MEMORY);
    if (!handles_reserve(&client->handles))
        return response_build_code(response, RM_RC_MEMORY);
    return answer_handle(response, handles_add(&client->handles, object));
}

size_t context_flush(struct rm_client *client, const struct command *command, uint8_t *response)
{
    struct rm *rm = client->rm;
    size_t size = command_parameters_size(command);
    uint32_t handle;

    if (size != 4)
        return response_build_code(
            response,
            RM_RC(size < 4 ? TPM2_RC_INSUFFICIENT + TPM2_RC_P + TPM2_RC_1 : TPM2_RC_SIZE));
    handle = load_be32(command->bytes + command->parameters_at);
    if (handle_is_transient(handle) && handles_remove(rm, &client->handles, handle))
        return response_build_success(response, HEADER_SIZE);
    if (handle_is_session(handle)) {
        struct session *session = session_find(rm, handle);

        /* By either type: for this the chip, too, looks at the low 24 bits only. */
        if (session && session->owner == client && session_can(session, SESSION_EVENT_GIVE_UP)) {
            session_apply(rm, session, SESSION_EVENT_GIVE_UP);
            return response_build_success(response, HEADER_SIZE);
        }
    }
    return response_build_code(response, RM_RC_PARAMETER_HANDLE);
}
