/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "keys.h"
#include "steps.h"

static bool is_hmac_key(const struct thing *thing)
{
    return thing->traits.kind == KIND_HMAC_KEY;
}

static bool is_event_sequence(const struct thing *thing)
{
    return thing->traits.kind == KIND_EVENT_SEQUENCE;
}

static bool is_plain_sequence(const struct thing *thing)
{
    return thing_is_sequence(thing) && !is_event_sequence(thing);
}

static const struct traits *traits_of(const struct call *call, unsigned index)
{
    const struct thing *thing = call->handles[index].thing;

    return thing && thing_is_object(thing) ? &thing->traits : &auths_open;
}

static void start_hash(struct model *model, struct random *random, unsigned client)
{
    static const uint16_t algorithms[] = {TPM2_ALG_SHA256, TPM2_ALG_SHA1, TPM2_ALG_SHA384,
                                          TPM2_ALG_NULL};
    struct traits traits = {.kind = KIND_HASH_SEQUENCE, .hierarchy = TPM2_RH_NULL};
    uint16_t algorithm = algorithms[random_below(random, 4)];
    struct call call;

    traits.auth = keys_secret(random);
    call_begin(&call, "HashSequenceStart", TPM2_CC_HashSequenceStart);
    call.makes = true;
    auths_add_extra(model, random, client, &call, false);
    call_sized(&call, traits.auth.bytes, traits.auth.size);
    call_u16(&call, algorithm);
    if (algorithm == TPM2_ALG_NULL)
        traits.kind = KIND_EVENT_SEQUENCE;
    if (exchange_run(model, client, &call))
        model_add(model, client, call.number, &traits);
}

static void start_hmac(struct model *model, struct random *random, unsigned client)
{
    struct traits traits = {.kind = KIND_HMAC_SEQUENCE, .hierarchy = TPM2_RH_NULL};
    struct call call;

    traits.auth = keys_secret(random);
    call_begin(&call, "HMAC_Start", TPM2_CC_HMAC_Start);
    call.makes = true;
    call_handle(model, client, &call, auths_pick_handle(model, random, client, is_hmac_key));
    if (!call.handles[0].handle)
        return;
    auths_add(model, random, client, &call, 0, traits_of(&call, 0));
    call_sized(&call, traits.auth.bytes, traits.auth.size);
    call_u16(&call, TPM2_ALG_SHA256);
    if (exchange_run(model, client, &call))
        model_add(model, client, call.number, &traits);
}

void sequences_start(struct model *model, struct random *random, unsigned client)
{
    contexts_make_room(model, random, 1, 0);
    if (random_chance(random, 60))
        start_hash(model, random, client);
    else
        start_hmac(model, random, client);
}

static void put_data(struct random *random, struct call *call)
{
    uint8_t data[200];
    size_t size = random_below(random, sizeof(data) + 1);

    random_fill(random, data, size);
    call_sized(call, data, size);
}

void sequences_update(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "SequenceUpdate", TPM2_CC_SequenceUpdate);
    call_handle(model, client, &call,
                auths_pick_handle(model, random, client,
                                  random_chance(random, 95) ? thing_is_sequence : thing_is_object));
    if (!call.handles[0].handle)
        return;
    auths_add(model, random, client, &call, 0, traits_of(&call, 0));
    auths_add_extra(model, random, client, &call, false);
    put_data(random, &call);
    exchange_run(model, client, &call);
}

void sequences_complete(struct model *model, struct random *random, unsigned client)
{
    bool event = random_chance(random, 25), fits = random_chance(random, 90);
    struct call call;

    call_begin(&call, event ? "EventSequenceComplete" : "SequenceComplete",
               event ? TPM2_CC_EventSequenceComplete : TPM2_CC_SequenceComplete);
    if (event)
        call_handle(model, client, &call, random_chance(random, 50) ? TPM2_RH_NULL : 10);
    call.consumes = true;
    call.consumed = call.handle_count;
    call_handle(model, client, &call,
                auths_pick_handle(model, random, client,
                                  !fits   ? thing_is_sequence
                                  : event ? is_event_sequence
                                          : is_plain_sequence));
    if (!call.handles[call.consumed].handle)
        return;
    if (event)
        auths_add(model, random, client, &call, 0, &auths_open);
    auths_add(model, random, client, &call, call.consumed, traits_of(&call, call.consumed));
    auths_add_extra(model, random, client, &call, true);
    put_data(random, &call);
    if (!event)
        call_u32(&call, random_chance(random, 50) ? TPM2_RH_NULL : TPM2_RH_OWNER);
    exchange_run(model, client, &call);
}
