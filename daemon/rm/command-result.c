/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/command-result.h"

#include "rm/object-lifecycle.h"
#include "rm/rc.h"
#include "wire/created-name.h"
#include "wire/handle.h"
#include "wire/tpms-context.h"

/* Of an object that the command loads its context is known. */
static size_t known_context_size(const struct command *command)
{
    return command->code == TPM2_CC_ContextLoad ? command_parameters_size(command) : 0;
}

uint32_t command_result_prepare(struct rm_client *client, const struct command *command,
                                struct command_needs *needs, struct command_result *result)
{
    struct rm *rm = client->rm;
    uint32_t code;

    if (!command_attributes_response_handle(command->attributes))
        return TPM2_RC_SUCCESS;
    if (command->code == TPM2_CC_StartAuthSession) {
        code = client_check_sessions(client);
        if (code != TPM2_RC_SUCCESS)
            return code;
        result->session = session_new(client->rm);
        needs->made_sessions = 1;
        return result->session ? TPM2_RC_SUCCESS : RM_RC_MEMORY;
    }
    code = client_check_objects(client);
    if (code != TPM2_RC_SUCCESS)
        return code;
    result->object = object_new(rm);
    needs->made_objects = 1;
    return result->object && handles_reserve(rm, &client->handles)
                   && journal_claim(rm->journal, &result->object->mark, 0,
                                    known_context_size(command))
               ? TPM2_RC_SUCCESS
               : RM_RC_MEMORY;
}

/* Whether the object that the command makes is a sequence object, which each use changes. MAC_Start
 * has the code of HMAC_Start. */
static bool makes_sequence(const struct command *command)
{
    struct tpms_context context;

    if (command->code == TPM2_CC_ContextLoad)
        return tpms_context_parse(&context, command->bytes + command->parameters_at,
                                  command_parameters_size(command))
               && context.saved_handle == CONTEXT_SEQUENCE;
    return command->code == TPM2_CC_HashSequenceStart || command->code == TPM2_CC_HMAC_Start;
}

/* The object that the chip just made or loaded becomes the client's. */
static bool adopt_object(struct rm_client *client, const struct command *command,
                         struct response *response, struct object *object)
{
    struct rm *rm = client->rm;
    const uint8_t *name;
    size_t name_size;

    object->sequence = makes_sequence(command);
    if (command->code == TPM2_CC_ContextLoad) {
        struct blob context = {0};

        /* Without memory for it the context is just not known, and made anew when needed. */
        if (blob_set(&context, command->bytes + command->parameters_at,
                     command_parameters_size(command)))
            object_take_context(rm, object, &context);
    }
    if (!handle_is_transient(response->handle)
        || !object_lifecycle_loaded(rm, object, response->handle))
        return false;
    eviction_note_use(&rm->object_eviction, &object->eviction, capacity_object_slots(rm),
                      rm->clock);
    object_note_user(object, client->number, client->user->uid);
    name = created_name_find(command, response, &name_size);
    if (name)
        object_set_name(rm, object, name, name_size);
    response->handle = handles_add(rm, &client->handles, object);
    return true;
}

bool command_result_adopt(struct rm_client *client, const struct command *command,
                          struct response *response, struct command_result *result)
{
    if (result->object) {
        if (!adopt_object(client, command, response, result->object))
            return false;
        result->object = NULL;
    }
    if (result->session) {
        if (!handle_is_session(response->handle))
            return false;
        session_start(client->rm, result->session, response->handle, client);
        result->session = NULL;
    }
    return true;
}

void command_result_clear(struct rm *rm, struct command_result *result)
{
    object_free(rm, result->object);
    session_discard(rm, result->session);
    *result = (struct command_result){0};
}
