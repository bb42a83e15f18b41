/* SPDX-License-Identifier: BSD-2-Clause */
#include "rm/answer-cache.h"

#include "wire/capability.h"
#include "wire/handle.h"

/* The parameters of GetCapability are the name of its answer. */
#define QUERY_SIZE sizeof(((struct answer *)0)->query)

/* The parameters of a query whose answer may be kept, or NULL. */
static const uint8_t *query_of(const struct command *command)
{
    if (command->code != TPM2_CC_GetCapability || command->tag != TPM2_ST_NO_SESSIONS
        || command_parameters_size(command) != QUERY_SIZE)
        return NULL;
    return command->bytes + command->parameters_at;
}

static struct answer *find_answer(struct rm *rm, const uint8_t *query)
{
    for (unsigned i = 0; i < RM_ANSWERS; i++) {
        struct answer *answer = &rm->answers[i];

        if (!blob_empty(&answer->response) && memcmp(answer->query, query, QUERY_SIZE) == 0)
            return answer;
    }
    return NULL;
}

static void drop_answer(struct answer *answer)
{
    blob_clear(&answer->response);
    if (answer->user)
        answer->user->answers--;
    rm_user_unreference(answer->user);
    answer->user = NULL;
}

/* Whether answer `a` leaves before answer `b`, when `user` needs the room: the answer of the user
 * with more answers leaves first; of users with as many, that of `user`; of one user, the older
 * answer. */
static bool leaves_before(const struct answer *a, const struct answer *b,
                          const struct rm_user *user)
{
    if (a->user->answers != b->user->answers)
        return a->user->answers > b->user->answers;
    if ((a->user == user) != (b->user == user))
        return a->user == user;
    return a->since < b->since;
}

/* Room for one more answer of a user. */
static struct answer *make_room(struct rm *rm, const struct rm_user *user)
{
    struct answer *leaves = &rm->answers[0];

    for (unsigned i = 0; i < RM_ANSWERS; i++) {
        struct answer *answer = &rm->answers[i];

        if (!answer->user)
            return answer;
        if (leaves_before(answer, leaves, user))
            leaves = answer;
    }
    drop_answer(leaves);
    return leaves;
}

static void keep_answer(struct rm_client *client, const uint8_t *query,
                        const struct response *response)
{
    struct answer *answer = make_room(client->rm, client->user);

    if (!blob_set(&answer->response, response->bytes, response->size))
        return;
    memcpy(answer->query, query, QUERY_SIZE);
    answer->since = client->rm->clock;
    answer->user = rm_user_reference(client->user);
    answer->user->answers++;
}

/* The object whose public area the command asks for, if it does. */
static struct object *object_read(struct rm_client *client, const struct command *command)
{
    if (command->code != TPM2_CC_ReadPublic || command->tag != TPM2_ST_NO_SESSIONS
        || command->handle_count != 1 || command_parameters_size(command) != 0
        || !handle_is_transient(command->handles[0]))
        return NULL;
    return handles_find(&client->handles, command->handles[0]);
}

size_t answer_cache_find(struct rm_client *client, const struct command *command, uint8_t *response)
{
    struct rm *rm = client->rm;
    const uint8_t *query = query_of(command);
    const struct blob *kept = NULL;

    if (rm->condition == TPM_FAILURE_MODE || rm->chip.audited[command->table_index])
        return 0;
    if (query) {
        const struct answer *answer = find_answer(rm, query);

        kept = answer ? &answer->response : NULL;
    } else {
        const struct object *object = object_read(client, command);

        kept = object ? &object->public_answer : NULL;
    }
    if (!kept || blob_empty(kept))
        return 0;
    memcpy(response, kept->bytes, kept->size);
    rm->trace.way = TRACE_WAY_CACHE;
    return kept->size;
}

/* True when nothing in the list can change while the chip runs the firmware that it runs. */
static bool is_constant(const uint8_t *query, const struct response *response)
{
    struct capability_list list;
    uint32_t last;

    switch (load_be32(query)) {
    case TPM2_CAP_ALGS:
    case TPM2_CAP_COMMANDS:
    case TPM2_CAP_ECC_CURVES:
        return true;
    case TPM2_CAP_TPM_PROPERTIES:
        if (!capability_list_parse(&list, response->bytes, response->size, TPM2_CAP_TPM_PROPERTIES,
                                   8)
            || list.count == 0)
            return false;
        /* In ascending order (Part 3, clause 30.2). */
        last = load_be32(list.items + 8 * (size_t)(list.count - 1));
        return load_be32(list.items) >= TPM2_PT_FIXED && last < TPM2_PT_VAR;
    default:
        return false;
    }
}

/* TPM2_SetCommandCodeAuditStatus: auditAlg, setList, clearList (Part 3, clause 21.2). */
static void learn_audit(struct rm *rm, const struct command *command)
{
    const uint8_t *at = command->bytes + command->parameters_at + 2;
    const uint8_t *end = command->bytes + command->size;

    for (unsigned list = 0; list < 2 && end - at >= 4; list++) {
        uint32_t count = load_be32(at);

        for (at += 4; count > 0 && end - at >= 4; count--, at += 4) {
            int index = command_table_find(&rm->chip.commands, load_be32(at));

            if (index >= 0)
                rm->chip.audited[index] = list == 0;
        }
    }
}

void answer_cache_learn(struct rm_client *client, const struct command *command,
                        const struct response *response)
{
    struct rm *rm = client->rm;
    const uint8_t *query = query_of(command);
    struct object *object;

    switch (command->code) {
    case TPM2_CC_GetCapability:
        if (query && !find_answer(rm, query) && is_constant(query, response))
            keep_answer(client, query, response);
        return;
    case TPM2_CC_ReadPublic:
        object = object_read(client, command);
        if (object)
            blob_set(&object->public_answer, response->bytes, response->size);
        return;
    case TPM2_CC_SetCommandCodeAuditStatus:
        learn_audit(rm, command);
        return;
    case TPM2_CC_SetAlgorithmSet:
    case TPM2_CC_FieldUpgradeStart:
    case TPM2_CC_FieldUpgradeData:
        answer_cache_drop(rm);
        return;
    default:
        return;
    }
}

void answer_cache_drop(struct rm *rm)
{
    for (unsigned i = 0; i < RM_ANSWERS; i++)
        drop_answer(&rm->answers[i]);
    list_for_each (link, &rm->objects) {
        blob_clear(&list_entry(link, struct object, link)->public_answer);
    }
}
