/* SPDX-License-Identifier: BSD-2-Clause */
#include "exchange.h"
#include "steps.h"

#include "wire/capability.h"
#include "wire/handle.h"

#include <string.h>

#define ITEMS 254

/* Asks both TPMs. False when a fault kept the manager from answering. */
static bool query(struct model *model, unsigned client, uint32_t capability, uint32_t property,
                  uint32_t count)
{
    struct reference_request request = {.operation = REFERENCE_RUN};

    request.size =
        (uint32_t)command_build_get_capability(request.bytes, capability, property, count);
    if (exchange_raw(model, client, request.bytes, request.size) != TPM2_RC_SUCCESS) {
        if (!model->watch.hit)
            model_fail(model, "GetCapability(%u, 0x%x) is refused", capability, property);
        return false;
    }
    model->other_size = reference_ask(model->reference, &request, model->other);
    if (model->other_size < HEADER_SIZE)
        model_fail(model, "the reference is gone");
    if (!model->watch.ran)
        model_end_exclusive(model);
    return true;
}

static bool belongs(const struct model *model, const struct thing *thing, unsigned client,
                    uint32_t property)
{
    bool saved = property >> 24 == TPM2_HT_SAVED_SESSION;

    if (thing->state == THING_DEAD || !model_belongs(model, thing, client)
        || (thing->handle & HANDLE_INDEX_MASK) < (property & HANDLE_INDEX_MASK))
        return false;
    if (handle_is_transient(property))
        return thing_is_object(thing);
    return thing_is_session(thing) && (thing->state == THING_SAVED) == saved;
}

/* The next handle that the client should be shown from `index` on. */
static const struct thing *next(const struct model *model, unsigned client, uint32_t property)
{
    const struct thing *found = NULL;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        if (belongs(model, thing, client, property)
            && (!found
                || (thing->handle & HANDLE_INDEX_MASK) < (found->handle & HANDLE_INDEX_MASK)))
            found = thing;
    }
    return found;
}

void views_handles(struct model *model, struct random *random, unsigned client)
{
    static const uint32_t kinds[] = {HANDLE_TRANSIENT_FIRST, HANDLE_LOADED_SESSIONS,
                                     HANDLE_SAVED_SESSIONS};
    uint32_t kind = kinds[random_below(random, 3)], property = kind, at = 0;
    uint32_t limit = random_chance(random, 30) ? random_below(random, 4) : ITEMS;
    struct capability_list list;
    const struct thing *thing;
    bool maybe_more = false;

    if (random_chance(random, 30))
        property += random_below(random, 12);
    if (!query(model, client, TPM2_CAP_HANDLES, property, limit))
        return;
    if (!capability_list_parse(&list, model->response, model->response_size, TPM2_CAP_HANDLES, 4)
        || list.count > limit)
        model_fail(model, "GetCapability: a list of handles that is none");
    for (thing = next(model, client, property); thing && at < list.count;
         thing = next(model, client, property)) {
        uint32_t expected = kind == HANDLE_SAVED_SESSIONS
                                ? kinds[1] | (thing->handle & HANDLE_INDEX_MASK)
                                : thing->handle;

        if (load_be32(list.items + 4 * (size_t)at) == expected)
            at++;
        else if (!thing->unsure)
            model_fail(model, "GetCapability lists 0x%x in place of 0x%x",
                       load_be32(list.items + 4 * (size_t)at), expected);
        property = kind | ((thing->handle & HANDLE_INDEX_MASK) + 1);
    }
    while (thing && thing->unsure) {
        maybe_more = true;
        property = kind | ((thing->handle & HANDLE_INDEX_MASK) + 1);
        thing = next(model, client, property);
    }
    if (at < list.count)
        model_fail(model, "GetCapability lists 0x%x, which the client has not",
                   load_be32(list.items + 4 * (size_t)at));
    if ((thing != NULL) != list.more && at == limit && !maybe_more)
        model_fail(model, "GetCapability says that there is %smore", list.more ? "" : "no ");
    if (thing && at < limit)
        model_fail(model, "GetCapability does not list 0x%x", thing->handle);
}

/* What a client, or its user, holds: objects, sessions in use, or those that are out, too. */
static uint32_t held(const struct model *model, int client, uint32_t uid, bool objects, bool out)
{
    uint32_t count = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        count += thing_is_object(thing) == objects && thing->owner >= 0
                 && (thing->state == THING_LIVE || (out && thing->state == THING_SAVED))
                 && (client < 0 ? thing->uid == uid : thing->owner == client);
    }
    return count;
}

/* Saved sessions that closed connections of the client's user have left. */
static uint32_t abandoned(const struct model *model, unsigned client)
{
    uint32_t count = 0;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        const struct thing *thing = &model->things[i];

        count += thing->state == THING_SAVED && thing->owner < 0 && thing_is_session(thing)
                 && model_belongs(model, thing, client);
    }
    return count;
}

static uint32_t left(const struct model *model, unsigned client, bool objects)
{
    const struct rm_limits *limits = &model->setting.limits;
    uint32_t own = objects ? limits->objects_per_client : limits->sessions_per_client;
    uint32_t user = objects ? limits->objects_per_uid : limits->sessions_per_uid;

    own -= held(model, (int)client, 0, objects, true);
    if (user == 0)
        return own;
    user -= held(model, -1, model->clients[client].uid, objects, true);
    return own < user ? own : user;
}

/* What the client should see of a property; `value` is what the reference says. */
static uint32_t expected_value(const struct model *model, unsigned client, uint32_t property,
                               uint32_t value)
{
    switch (property) {
    case TPM2_PT_CONTEXT_GAP_MAX:
        return UINT32_MAX;
    case TPM2_PT_HR_TRANSIENT_AVAIL:
        return left(model, client, true);
    case TPM2_PT_HR_LOADED:
        return held(model, (int)client, 0, false, false);
    case TPM2_PT_HR_ACTIVE:
        return held(model, (int)client, 0, false, true) + abandoned(model, client);
    case TPM2_PT_HR_LOADED_AVAIL:
    case TPM2_PT_HR_ACTIVE_AVAIL:
        return left(model, client, false);
    default:
        return value;
    }
}

/* The first use of a key that lockout protects is answered with RETRY, and power that fails from
 * then on counts as a wrong try (Part 1, "Dictionary Attack Protection"). A fault, or
 * the daemon's death, may hit the second use only, of which the reference sees nothing. */
static bool is_open(const struct model *model, uint32_t property)
{
    return property == TPM2_PT_LOCKOUT_COUNTER && (model->setting.faults || model->setting.deaths)
           && model->setting.resets;
}

static bool anything_unsure(const struct model *model)
{
    for (uint32_t i = 1; i <= model->thing_count; i++) {
        if (model->things[i].unsure)
            return true;
    }
    return false;
}

void views_properties(struct model *model, struct random *random, unsigned client)
{
    uint32_t property = random_chance(random, 30) ? TPM2_PT_FIXED : TPM2_PT_VAR;
    struct capability_list ours, reference;

    if (!query(model, client, TPM2_CAP_TPM_PROPERTIES, property, 100))
        return;
    if (!capability_list_parse(&ours, model->response, model->response_size,
                               TPM2_CAP_TPM_PROPERTIES, 8)
        || !capability_list_parse(&reference, model->other, model->other_size,
                                  TPM2_CAP_TPM_PROPERTIES, 8)
        || ours.count != reference.count)
        model_fail(model, "GetCapability: another list of properties than the reference's");
    for (uint32_t i = 0; i < ours.count && !anything_unsure(model); i++) {
        uint32_t name = load_be32(reference.items + 8 * (size_t)i);
        uint32_t value = load_be32(ours.items + 8 * (size_t)i + 4);
        uint32_t expected =
            expected_value(model, client, name, load_be32(reference.items + 8 * (size_t)i + 4));

        if (load_be32(ours.items + 8 * (size_t)i) != name)
            model_fail(model, "GetCapability: property 0x%x is not there", name);
        if (value != expected && !is_open(model, name))
            model_fail(model, "GetCapability: property 0x%x is 0x%x and should be 0x%x", name,
                       value, expected);
    }
}
