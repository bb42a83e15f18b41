/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/context.h"

#include "rm/context-transfer.h"
#include "rm/rc.h"
#include "rm/residency.h"
#include "rm/room.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

/* What a TPM says to TPM2_FlushContext of a handle that is no TPMI_DH_CONTEXT (Part 2, clause
 * 9.11): TPM_RC_VALUE for parameter 1. */
#define RC_NOT_FLUSHABLE (TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1)

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

/* The chip extends its audit digest by the command (Part 1, "Command Audit"), so the chip must get
 * the command, and only once: where its outcome is not known it is not sent again. */
static bool is_audited(const struct rm *rm, const struct command *command)
{
    return rm->chip.audited[command->table_index];
}

/* An object's context is a copy, so a valid context that is there is given to the client. Each use
 * of a sequence object drops its context, so that a context that is there is valid. */
static size_t save_object(struct rm_client *client, uint32_t handle, bool audited,
                          uint8_t *response)
{
    struct object *object = handles_find(&client->handles, handle);
    uint32_t code = TPM2_RC_SUCCESS;

    if (!object)
        return response_build_code(response, RM_RC_HANDLE(0));
    if (audited)
        code = residency_bring_object(client->rm, object, RM_RC_HANDLE(0));
    client->rm->own_is_clients = audited;
    if (code == TPM2_RC_SUCCESS && (audited || blob_empty(&object->saved)))
        code = context_transfer_save_object(client->rm, object);
    client->rm->own_is_clients = false;
    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    return answer_context(response, &object->saved);
}

/* A session's context is the session itself: whoever loads the bytes has it, once. */
static size_t save_session(struct rm_client *client, uint32_t handle, bool audited,
                           uint8_t *response)
{
    struct rm *rm = client->rm;
    struct session *session = session_find_usable(rm, client, handle);
    unsigned retries = room_retries(rm);
    uint32_t code = TPM2_RC_SUCCESS;
    struct blob held = {0};

    if (!session || session->handle != handle)
        return response_build_code(response, RM_RC_HANDLE(0));
    session->pinned = true;
    /* Bytes that were loaded once are never good again, so a new context is made. */
    if (!session->loaded && (session->context_used_up || audited))
        code = residency_bring_session(rm, session);
    while (code == TPM2_RC_SUCCESS && session->loaded) {
        rm->own_is_clients = audited;
        code = context_transfer_save_session(rm, session);
        rm->own_is_clients = false;
        if (code != TPM2_RC_SUCCESS && retries-- > 0 && room_relieve(rm, &code))
            code = TPM2_RC_SUCCESS;
    }
    session->pinned = false;
    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    /* The session is out of its slot now. Without memory for the client's copy it stays active. */
    if (!journal_claim(rm->journal, &session->mark, 1, session->saved.size)
        || !blob_set(&held, session->saved.bytes, session->saved.size))
        return response_build_code(response, RM_RC_MEMORY);
    session_saved_by_client(rm, session, &held);
    return answer_context(response, &session->held);
}

size_t context_save(struct rm_client *client, const struct command *command, uint8_t *response)
{
    uint32_t handle = command->handles[0];
    bool audited = is_audited(client->rm, command);

    if (command_parameters_size(command) != 0)
        return response_build_code(response, RM_RC(TPM2_RC_SIZE));
    if (handle_is_session(handle))
        return save_session(client, handle, audited, response);
    return save_object(client, handle, audited, response);
}

/* Loads a context that a client was given and that was not loaded since. Other bytes do not go to
 * the chip: it would refuse them, but a session that is loaded there has to stay loaded. */
static size_t load_session(struct rm_client *client, const uint8_t *bytes, size_t size,
                           uint8_t *response)
{
    struct rm *rm = client->rm;
    struct session *session = session_find_held(rm, bytes, size);
    uint32_t code;

    if (!session)
        return response_build_code(response, RM_RC_PARAMETER_HANDLE);
    code = session->owner != client ? client_check_sessions(client) : TPM2_RC_SUCCESS;
    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    session_loaded_by_client(rm, session, client);
    return answer_handle(response, session->handle);
}

size_t context_load(struct rm_client *client, const struct command *command, uint8_t *response)
{
    const uint8_t *bytes = command->bytes + command->parameters_at;
    size_t size = command_parameters_size(command);
    struct object *object;
    uint32_t code;

    if (size >= 12 && handle_is_session(load_be32(bytes + 8)))
        return load_session(client, bytes, size, response);
    object = object_find_content(client->rm, bytes, size);
    if (!object || is_audited(client->rm, command))
        return 0;
    code = client_check_objects(client);
    if (code != TPM2_RC_SUCCESS)
        return response_build_code(response, code);
    if (!handles_reserve(client->rm, &client->handles))
        return response_build_code(response, RM_RC_MEMORY);
    return answer_handle(response, handles_add(client->rm, &client->handles, object));
}

/* Has the chip flush an object of the client. Other clients with a handle for the object keep its
 * context. */
static uint32_t flush_object_in_chip(struct rm *rm, struct object *object)
{
    uint32_t code = residency_bring_object(rm, object, RM_RC_PARAMETER_HANDLE);

    if (code == TPM2_RC_SUCCESS && object->references > 1 && blob_empty(&object->saved))
        code = context_transfer_save_object(rm, object);
    if (code != TPM2_RC_SUCCESS)
        return code;
    rm->own_is_clients = true;
    code = context_transfer_flush_object(rm, object);
    rm->own_is_clients = false;
    return code;
}

static uint32_t flush_object(struct rm_client *client, uint32_t handle, bool audited)
{
    struct object *object = handles_find(&client->handles, handle);
    uint32_t code;

    if (!object)
        return RM_RC_PARAMETER_HANDLE;
    code = audited ? flush_object_in_chip(client->rm, object) : TPM2_RC_SUCCESS;
    if (code == TPM2_RC_SUCCESS)
        handles_remove(client->rm, &client->handles, handle);
    return code;
}

/* Takes both types of session handles: the chip, too, looks at the low 24 bits only. */
static uint32_t flush_session(struct rm_client *client, uint32_t handle, bool audited)
{
    struct rm *rm = client->rm;
    struct session *session = session_find(rm, handle);
    uint32_t code;

    if (!session || !session_belongs_to(session, client)
        || !session_can(session, SESSION_EVENT_GIVE_UP))
        return RM_RC_PARAMETER_HANDLE;
    session_apply(rm, session, SESSION_EVENT_GIVE_UP);
    if (!audited)
        return TPM2_RC_SUCCESS;
    rm->own_is_clients = true;
    code = context_transfer_flush_session(rm, session);
    rm->own_is_clients = false;
    return code;
}

size_t context_flush(struct rm_client *client, const struct command *command, uint8_t *response)
{
    size_t size = command_parameters_size(command);
    bool audited = is_audited(client->rm, command);
    uint32_t handle, code = RC_NOT_FLUSHABLE;

    if (size != 4)
        return response_build_code(
            response,
            RM_RC(size < 4 ? TPM2_RC_INSUFFICIENT + TPM2_RC_P + TPM2_RC_1 : TPM2_RC_SIZE));
    handle = load_be32(command->bytes + command->parameters_at);
    if (handle_is_transient(handle))
        code = flush_object(client, handle, audited);
    else if (handle_is_session(handle))
        code = flush_session(client, handle, audited);
    return response_build_code(response, code);
}
