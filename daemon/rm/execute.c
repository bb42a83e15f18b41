/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client command, from its bytes to its answer, in six steps: parse(), resolve(),
 * make_resident(), send(), learn() and answer(), which stand here in this order. After parse() it
 * is decided whether the client may send it (permission_check()), and commands that the books can
 * answer are answered (run()).
 */
#include "rm/answer-cache.h"
#include "rm/capability.h"
#include "rm/command-result.h"
#include "rm/context.h"
#include "rm/doubt.h"
#include "rm/object-lifecycle.h"
#include "rm/permission.h"
#include "rm/rc.h"
#include "rm/resync.h"
#include "rm/room.h"
#include "rm/transact.h"
#include "wire/handle.h"

static uint32_t parse(const struct rm *rm, struct command *command, const uint8_t *bytes,
                      size_t size)
{
    uint32_t code = command_parse(command, &rm->chip.commands, bytes, size);

    return size > rm->chip.max_command ? TPM2_RC_COMMAND_SIZE : code;
}

static void needs_add_session(struct command_needs *needs, struct session *session, uint32_t code)
{
    for (unsigned i = 0; i < needs->session_count; i++) {
        if (needs->sessions[i] == session)
            return;
    }
    needs->session_codes[needs->session_count] = code;
    needs->sessions[needs->session_count++] = session;
}

/* Finds all that the command names. A name that is not the client's is refused here; the chip
 * never sees it. Returns 0 or the response code. */
static uint32_t find_named(struct rm_client *client, const struct command *command,
                           struct command_needs *needs)
{
    struct rm *rm = client->rm;
    struct session *session;

    needs->handle_count = command->handle_count;
    for (unsigned i = 0; i < command->handle_count; i++) {
        uint32_t handle = command->handles[i];

        if (handle_is_transient(handle)) {
            needs->objects[i] = handles_find(&client->handles, handle);
            if (!needs->objects[i])
                return RM_RC_HANDLE(i);
        } else if (handle_is_session(handle)) {
            session = session_find_usable(rm, client, handle);
            if (!session)
                return RM_RC_HANDLE(i);
            needs_add_session(needs, session, RM_RC_HANDLE(i));
        } else if (handle_is_persistent(handle)) {
            /* The chip copies a persistent object into a slot for as long as the command runs. */
            needs->scratch_objects++;
        }
    }
    for (unsigned i = 0; i < command->session_count; i++) {
        if (command->sessions[i].handle == TPM2_RS_PW)
            continue;
        session = session_find_usable(rm, client, command->sessions[i].handle);
        if (!session)
            return RM_RC_SESSION(i);
        needs_add_session(needs, session, RM_RC_SESSION(i));
    }
    return TPM2_RC_SUCCESS;
}

/* Keeps what a command named, for rm_client_affinity(). */
static void note_named(struct rm_client *client, const struct command *command,
                       const struct command_needs *needs)
{
    struct last_needs *last = &client->last;

    *last = (struct last_needs){
        .made_objects = needs->made_objects,
        .made_sessions = needs->made_sessions,
        .scratch_objects = needs->scratch_objects,
    };
    for (unsigned i = 0; i < command->handle_count; i++) {
        if (needs->objects[i]) {
            object_note_user(needs->objects[i], client->number, client->user->uid);
            last->handles[last->count++] = command->handles[i];
        }
    }
    for (unsigned i = 0; i < needs->session_count; i++)
        last->handles[last->count++] = needs->sessions[i]->handle;
}

/* Finds what the command names, and takes the memory for what it makes. `needs` and `result` are
 * empty. */
static uint32_t resolve(struct rm_client *client, const struct command *command,
                        struct command_needs *needs, struct command_result *result)
{
    uint32_t code = find_named(client, command, needs);

    if (code == TPM2_RC_SUCCESS)
        code = command_result_prepare(client, command, needs, result);
    if (code != TPM2_RC_SUCCESS)
        return code;
    needs->scratch_objects += client->rm->needs_scratch_slot[command->table_index];
    note_named(client, command, needs);
    return TPM2_RC_SUCCESS;
}

/* Brings into the chip what the command needs, where that stays until command_needs_end(). */
static uint32_t make_resident(struct rm *rm, struct command_needs *needs)
{
    command_needs_begin(rm, needs);
    return residency_require(rm, needs);
}

static uint32_t prepare(struct rm_client *client, const struct command *command,
                        struct command_needs *needs, struct command_result *result)
{
    uint32_t code = resolve(client, command, needs, result);

    return code == TPM2_RC_SUCCESS ? make_resident(client->rm, needs) : code;
}

/*
 * resolve() and make_resident(); then the books are in order. When a command of the manager goes
 * wrong on the way, the chip is asked about it before the client's command is sent, for two
 * reasons: the client's command may name something else than the books say, and questions after it
 * would end the exclusiveness of an audit session that it begins. Only the books of a TPM in
 * failure mode are in doubt from the start (books_are_in_order()).
 */
static uint32_t prepare_surely(struct rm_client *client, const struct command *command,
                               struct command_needs *needs, struct command_result *result)
{
    struct rm *rm = client->rm;
    bool known = rm->books_in_doubt;
    uint32_t code = prepare(client, command, needs, result);

    if (code != TPM2_RC_SUCCESS || known || !rm->books_in_doubt)
        return code;
    command_needs_end(needs);
    *needs = (struct command_needs){0};
    command_result_clear(rm, result);
    if (!resync_doubt(rm))
        return RM_RC_FAILURE;
    code = prepare(client, command, needs, result);
    return code == TPM2_RC_SUCCESS && rm->books_in_doubt ? RM_RC_FAILURE : code;
}

/* The command as the chip gets it, with the chip's handles in the place of the client's. The
 * client's bytes stay as they came. */
static const uint8_t *patch_handles(struct rm *rm, const struct command *command,
                                    const struct command_needs *needs)
{
    const uint8_t *bytes = command->bytes;

    for (unsigned i = 0; i < command->handle_count; i++) {
        rm->sent_handles[i] = command->handles[i];
        if (!needs->objects[i])
            continue;
        if (bytes != rm->forwarded)
            bytes = memcpy(rm->forwarded, bytes, command->size);
        rm->sent_handles[i] = needs->objects[i]->physical;
        store_be32(command_handle_at(rm->forwarded, i), rm->sent_handles[i]);
    }
    return bytes;
}

/* Sends the command once. A copy is wiped, as it may have passwords in it. */
static uint32_t send_once(struct rm_client *client, const struct command *command,
                          const struct command_needs *needs, uint8_t *response, size_t *size)
{
    struct rm *rm = client->rm;
    const uint8_t *bytes = patch_handles(rm, command, needs);
    uint32_t code = rm_transact(rm, client->locality, bytes, command->size, response, size);

    if (bytes == rm->forwarded)
        explicit_bzero(rm->forwarded, command->size);
    return code;
}

/* A sequence changes by its use, so its context is void from here on. */
static void void_sequences(struct rm *rm, const struct command_needs *needs)
{
    for (unsigned i = 0; i < needs->handle_count; i++) {
        if (needs->objects[i] && !needs->objects[i]->immutable)
            object_clear_context(rm, needs->objects[i]);
    }
}

/* Sends the command, and again for as long as the chip asks for room and room can be made. The
 * chip's last response code; RM_RC_FAILURE when its answer was lost. */
static uint32_t send(struct rm_client *client, const struct command *command,
                     const struct command_needs *needs, uint8_t *response, size_t *size)
{
    struct rm *rm = client->rm;
    unsigned retries = room_retries(rm);
    uint32_t code, refusal;

    void_sequences(rm, needs);
    for (;;) {
        bool had_room = rm->objects_loaded + needs->made_objects + needs->scratch_objects
                        <= rm->chip.object_slots;

        code = send_once(client, command, needs, response, size);
        refusal = code;
        if (code == TPM2_RC_SUCCESS || retries-- == 0 || !room_relieve(rm, &code)) {
            if (code != refusal)
                *size = response_build_code(response, code);
            return refusal;
        }
        /* A command that makes no object and still asks for a slot needs a scratch slot: the next
         * time room for that is made before the command is sent. */
        if (code == TPM2_RC_OBJECT_MEMORY && had_room
            && !command_attributes_response_handle(command->attributes))
            rm->needs_scratch_slot[command->table_index] = true;
    }
}

/* After a success: removes the objects that the command flushes, and the sessions that end with the
 * command. */
static void remove_ended(struct rm_client *client, const struct command *command,
                         const struct response *response)
{
    struct rm *rm = client->rm;

    for (unsigned i = 0; i < command->session_count; i++) {
        struct session *session = handle_is_session(command->sessions[i].handle)
                                      ? session_find_usable(rm, client, command->sessions[i].handle)
                                      : NULL;

        if (session && !(response->session_attributes[i] & TPMA_SESSION_CONTINUESESSION))
            session_apply(rm, session, SESSION_EVENT_ENDED);
    }
    if (!command_attributes_flushed(command->attributes))
        return;
    for (unsigned i = 0; i < command->handle_count; i++) {
        struct object *object = handles_find(&client->handles, command->handles[i]);

        if (!object)
            continue;
        /* The reference is held over both calls, as each of them may drop the last reference. */
        object_reference(object);
        handles_remove(rm, &client->handles, command->handles[i]);
        if (object->physical != OBJECT_NOT_LOADED)
            object_lifecycle_left(rm, object);
        object_unreference(rm, object);
    }
}

/* Enters the chip's answer into the books. False when the answer is not one to this command. */
static bool learn(struct rm_client *client, const struct command *command,
                  struct command_result *result, struct response *response)
{
    permission_learn(client, command, response->code);
    if (response->code != TPM2_RC_SUCCESS)
        return true;
    remove_ended(client, command, response);
    if (!command_result_adopt(client, command, response, result))
        return false;
    resync_hierarchies(client->rm, command);
    if (command->code == TPM2_CC_Startup)
        resync_after_startup(client->rm);
    return true;
}

/* Makes the client's response of the chip's, and keeps a response that cannot change. */
static void answer(struct rm_client *client, const struct command *command,
                   struct response *response)
{
    if (response->code != TPM2_RC_SUCCESS)
        return;
    if (command_attributes_response_handle(command->attributes))
        store_be32(response->bytes + RESPONSE_HANDLE_AT, response->handle);
    capability_patch(client, command, response);
    answer_cache_learn(client, command, response);
}

/* send(), learn() and answer(). Gives the size of the response. */
static size_t carry_out(struct rm_client *client, const struct command *command,
                        struct command_needs *needs, struct command_result *result, uint8_t *bytes)
{
    struct response response;
    size_t size;
    uint32_t code = send(client, command, needs, bytes, &size);

    command_needs_end(needs);
    if (code == RM_RC_FAILURE) {
        client_lose_named(client, command);
        return size;
    }
    if (response_parse(&response, command, bytes, size)
        && learn(client, command, result, &response)) {
        answer(client, command, &response);
        return size;
    }
    doubt_books(client->rm,
                "the answer to a command that was carried out is not what it should be");
    client_lose_named(client, command);
    return response_build_code(bytes, RM_RC_FAILURE);
}

/* Has the chip run the command. */
static size_t forward(struct rm_client *client, const struct command *command, uint8_t *response)
{
    struct rm *rm = client->rm;
    struct command_result result = {0};
    struct command_needs needs = {0};
    size_t size;
    uint32_t code = prepare_surely(client, command, &needs, &result);

    if (code == TPM2_RC_SUCCESS) {
        ledger_set_starting(rm->ledger, result.session != NULL);
        size = carry_out(client, command, &needs, &result, response);
        ledger_set_starting(rm->ledger, false);
    } else {
        command_needs_end(&needs);
        size = response_build_code(response, code);
    }
    command_result_clear(rm, &result);
    return size;
}

/* Answers from the books where that is possible, else has the chip run the command. */
static size_t run(struct rm_client *client, const struct command *command, uint8_t *response)
{
    size_t size = 0;

    switch (command->code) {
    case TPM2_CC_ContextSave:
        size = context_save(client, command, response);
        break;
    case TPM2_CC_FlushContext:
        size = context_flush(client, command, response);
        break;
    case TPM2_CC_ContextLoad:
        size = context_load(client, command, response);
        break;
    case TPM2_CC_GetCapability:
        size = capability_answer(client, command, response);
        break;
    default:
        break;
    }
    if (size > 0)
        client->rm->trace.way = TRACE_WAY_MANAGER;
    else
        size = answer_cache_find(client, command, response);
    return size > 0 ? size : forward(client, command, response);
}

/* The chip's answer says that the books are wrong, and that the command was not run. True when the
 * books were put right, so that the command can be tried again. */
static bool put_right(struct rm *rm, const struct command *command, uint32_t code)
{
    if (code == TPM2_RC_INITIALIZE)
        return command->code != TPM2_CC_Startup && resync_after_reset(rm);
    if (code < TPM2_RC_REFERENCE_H0 || code > TPM2_RC_REFERENCE_S6)
        return false;
    doubt_books(rm, "a handle or a session that the books have for loaded is not");
    return resync_doubt(rm);
}

/* The chip gets the header alone and decides what to answer to a bad tag. */
static size_t forward_bad_tag(struct rm_client *client, const struct command *command,
                              uint8_t *response)
{
    uint8_t header[HEADER_SIZE];
    size_t size;

    header_store(header, command->tag, HEADER_SIZE, command->code);
    rm_transact(client->rm, client->locality, header, HEADER_SIZE, response, &size);
    return size;
}

/*
 * Whether the books agree with the chip, so that a physical handle in them is good; the chip is
 * asked when they are in doubt. In failure mode the chip does not tell, but it answers two
 * commands, which name nothing (Part 1, "Failure Mode").
 */
static bool books_are_in_order(struct rm *rm, const struct command *command)
{
    if (resync_doubt(rm))
        return true;
    return rm->condition == TPM_FAILURE_MODE
           && (command->code == TPM2_CC_GetTestResult || command->code == TPM2_CC_GetCapability);
}

static size_t execute(struct rm *rm, struct rm_client *client, const uint8_t *bytes, size_t size,
                      uint8_t *response)
{
    struct command command;
    unsigned looks = 0;
    uint32_t code, refusal;

    rm->stats.client_commands++;
    rm->clock++;
    code = parse(rm, &command, bytes, size);
    rm->command_counts[command.table_index + 1]++;
    if (code != TPM2_RC_SUCCESS && code != TPM2_RC_BAD_TAG)
        return response_build_code(response, code == TPM2_RC_COMMAND_CODE ? code : RM_RC(code));
    refusal = permission_check(client, &command);
    if (refusal != TPM2_RC_SUCCESS)
        return response_build_code(response, refusal);
    if (code == TPM2_RC_BAD_TAG)
        return forward_bad_tag(client, &command, response);
    while (rm_settle(rm))
        ;
    do {
        size = books_are_in_order(rm, &command) ? run(client, &command, response)
                                                : response_build_code(response, RM_RC_FAILURE);
    } while (++looks < 2 && put_right(rm, &command, header_load(response).code));
    return size;
}

size_t rm_execute(struct rm *rm, struct rm_client *client, const uint8_t *command, size_t size,
                  uint8_t *response)
{
    uint32_t code = header_load(command).code;

    trace_begin(&rm->trace, code);
    rm->requester = client;
    size = execute(rm, client, command, size, response);
    statistics_note(&rm->statistics, &rm->trace, header_load(response).code);
    trace_command(client, &rm->trace, code, header_load(response).code);
    rm->requester = NULL;
    return size;
}
