/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "steps.h"

#include "wire/handle.h"
#include "wire/tpms-context.h"

#include <stdlib.h>
#include <string.h>

static bool is_any(const struct thing *thing)
{
    (void)thing;
    return true;
}

void contexts_flush_handle(struct model *model, unsigned client, uint32_t handle)
{
    struct thing *thing = model_find(model, client, handle);
    struct call call;

    /* A session that is out in a context may be flushed, too. */
    for (uint32_t i = 1; i <= model->thing_count && !thing && handle_is_session(handle); i++) {
        if (model->things[i].state == THING_SAVED && model_belongs(model, &model->things[i], client)
            && thing_is_session(&model->things[i])
            && ((model->things[i].handle ^ handle) & HANDLE_INDEX_MASK) == 0)
            thing = &model->things[i];
    }
    call_begin(&call, "FlushContext", TPM2_CC_FlushContext);
    call.names_parameter = true;
    call.parameter = (struct operand){.handle = handle, .thing = thing};
    call_u32(&call, handle);
    if (exchange_run(model, client, &call) && thing)
        model_kill(model, thing);
}

static unsigned count_needed(const struct model *model, bool sessions)
{
    return model_count(model, -1, sessions ? thing_is_session : thing_is_object);
}

void contexts_make_room(struct model *model, struct random *random, unsigned objects,
                        unsigned sessions)
{
    for (unsigned kind = 0; kind < 2 && !model->setting.spilling; kind++) {
        unsigned wanted = kind ? sessions : objects;

        for (unsigned tries = 0; tries < 100 && wanted; tries++) {
            unsigned client = random_below(random, MODEL_CLIENTS);
            struct thing *thing;

            if (count_needed(model, kind) + wanted <= REFERENCE_SLOTS)
                break;
            thing = model_pick(model, random, client, kind ? thing_is_session : thing_is_object);
            if (thing)
                contexts_flush_handle(model, client, thing->handle);
        }
    }
}

void contexts_flush(struct model *model, struct random *random, unsigned client)
{
    uint32_t handle = auths_pick_handle(model, random, client, is_any);
    struct thing *thing;

    if (random_chance(random, 10)) {
        /* One that is out, its own or another's. */
        for (uint32_t i = 1; i <= model->thing_count; i++) {
            thing = &model->things[i];
            if (thing->state == THING_SAVED && random_chance(random, 30))
                handle = thing->handle;
        }
    }
    if (handle)
        contexts_flush_handle(model, client, handle);
}

void contexts_save(struct model *model, struct random *random, unsigned client)
{
    uint32_t handle = auths_pick_handle(model, random, client, is_any);
    uint32_t number = model->context_count + 1;
    struct saved_context *context = &model->contexts[number];
    struct thing *thing;
    struct call call;

    if (!handle || number >= MODEL_CONTEXTS)
        return;
    call_begin(&call, "ContextSave", TPM2_CC_ContextSave);
    call_handle(model, client, &call, handle);
    call.context = number;
    thing = call.handles[0].thing;
    if (!exchange_run(model, client, &call) || !thing)
        return;
    context->number = number;
    context->thing = thing->number;
    context->traits = thing->traits;
    context->size = model->response_size - HEADER_SIZE;
    context->bytes = malloc(context->size);
    if (!context->bytes)
        model_fail(model, "no memory");
    memcpy(context->bytes, model->response + HEADER_SIZE, context->size);
    model->context_count = number;
    model_trace(model, "    context %u of thing %u", number, thing->number);
    if (thing_is_session(thing)) {
        thing->state = THING_SAVED;
        thing->saved_at = ++model->saves;
    }
}

/* Mostly a late one; of the early ones most are dead. */
static struct saved_context *pick_context(struct model *model, struct random *random)
{
    uint32_t back = random_below(random, random_chance(random, 70) ? 4 : model->context_count);

    return model->context_count
               ? &model->contexts[model->context_count - back % model->context_count]
               : NULL;
}

static void load(struct model *model, unsigned client, const struct saved_context *context,
                 uint32_t cut, uint32_t flip)
{
    struct thing *session = &model->things[context->thing];
    struct call call;

    call_begin(&call, "ContextLoad", TPM2_CC_ContextLoad);
    call.makes = true;
    call.loads = context;
    call.cut = cut;
    call.flip = flip;
    if (context->traits.kind == KIND_SESSION)
        call.number = session->number;
    if (!exchange_run(model, client, &call))
        return;
    if (context->traits.kind != KIND_SESSION) {
        model_add(model, client, call.number, &context->traits)->unsure =
            context->unsure || model->reset_not_started;
        return;
    }
    if (session->state != THING_SAVED)
        model_fail(model, "a context of session 0x%x is loaded while the session is not out",
                   session->handle);
    if (load_be32(model->response + HEADER_SIZE) != session->handle)
        model_fail(model, "session 0x%x comes back as 0x%x", session->handle,
                   load_be32(model->response + HEADER_SIZE));
    session->state = THING_LIVE;
    session->owner = (int)client;
    session->uid = model->clients[client].uid;
}

void contexts_load(struct model *model, struct random *random, unsigned client)
{
    const struct saved_context *context = pick_context(model, random);

    if (!context)
        return;
    if (context->traits.kind == KIND_SESSION)
        contexts_make_room(model, random, 0, 1);
    else
        contexts_make_room(model, random, 1, 0);
    load(model, client, context, 0, 0);
}

void contexts_load_spoiled(struct model *model, struct random *random, unsigned client)
{
    const struct saved_context *context = pick_context(model, random);
    uint32_t cut = 0, flip = 0;

    if (!context)
        return;
    contexts_make_room(model, random, 1, 0);
    contexts_make_room(model, random, 0, 1);
    if (random_chance(random, 50))
        cut = 1 + random_below(random, (uint32_t)context->size - 12);
    else
        flip = CONTEXT_HEADER_BYTES
               + random_below(random, (uint32_t)context->size - CONTEXT_HEADER_BYTES);
    load(model, client, context, cut, flip);
}
