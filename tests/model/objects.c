/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "keys.h"
#include "steps.h"

#include <string.h>

static const uint32_t hierarchies[] = {TPM2_RH_NULL, TPM2_RH_OWNER, TPM2_RH_OWNER,
                                       TPM2_RH_ENDORSEMENT, TPM2_RH_PLATFORM};

/* Mostly cheap ones. */
static enum thing_kind pick_kind(struct random *random)
{
    static const enum thing_kind kinds[] = {
        KIND_HMAC_KEY,         KIND_HMAC_KEY,         KIND_HMAC_KEY,         KIND_HMAC_KEY,
        KIND_SEALED,           KIND_SEALED,           KIND_SYMMETRIC,        KIND_SYMMETRIC,
        KIND_SYMMETRIC_PARENT, KIND_SYMMETRIC_PARENT, KIND_SYMMETRIC_PARENT, KIND_SYMMETRIC_PARENT,
    };

    if (random_below(random, 2000) == 0)
        return KIND_RSA_SIGN;
    if (random_chance(random, 15))
        return KIND_ECC_PARENT + random_below(random, 3);
    return kinds[random_below(random, sizeof(kinds) / sizeof(kinds[0]))];
}

static struct traits pick_traits(struct random *random)
{
    struct traits traits = {.kind = pick_kind(random)};

    traits.auth = keys_secret(random);
    if (keys_command(traits.kind) && random_chance(random, 40))
        traits.policy = random_chance(random, 50) ? POLICY_AUTH_VALUE : POLICY_COMMAND_CODE;
    return traits;
}

static uint32_t pick_attributes(const struct model *model, struct random *random)
{
    uint32_t attributes = KEYS_FIXED;

    if (random_chance(random, 95))
        attributes |= KEYS_NO_DA;
    /* After a TPM Restart a TPM2_Clear voids the saved contexts of these, but not what is loaded:
     * the fate of such an object hangs on where it is. */
    if (random_chance(random, 10) && !model->setting.resets)
        attributes |= KEYS_ST_CLEAR;
    return attributes;
}

static void put_template(const struct model *model, struct random *random, struct call *call,
                         const struct traits *traits)
{
    uint8_t public_area[KEYS_PUBLIC_MAX];
    uint32_t attributes = pick_attributes(model, random);
    size_t size = keys_template(traits, attributes, (uint8_t)random_below(random, 4), public_area);

    call_sized(call, public_area, size);
}

void objects_create_primary(struct model *model, struct random *random, unsigned client)
{
    struct traits traits = pick_traits(random);
    struct reader reader;
    struct call call;
    const uint8_t *public_area;
    uint16_t size;

    traits.hierarchy = hierarchies[random_below(random, 5)];
    contexts_make_room(model, random, 1, 0);
    call_begin(&call, "CreatePrimary", TPM2_CC_CreatePrimary);
    call.makes = true;
    call_handle(model, client, &call, traits.hierarchy);
    auths_add(model, random, client, &call, 0, &auths_open);
    keys_sensitive(&call, &traits);
    put_template(model, random, &call, &traits);
    call_sized(&call, NULL, 0);
    call_u32(&call, 0);
    if (!exchange_run(model, client, &call))
        return;
    reader = call_reader(model, &call);
    public_area = reader_sized(&reader, &size);
    keys_learn(&traits, public_area, size);
    model_add(model, client, call.number, &traits);
}

/* The parent that a command names, or what a wrong handle leads to. */
static const struct traits *traits_of(const struct call *call, unsigned index)
{
    const struct thing *thing = call->handles[index].thing;

    return thing && thing_is_object(thing) ? &thing->traits : &auths_open;
}

static enum thing_kind pick_child_kind(struct random *random)
{
    static const enum thing_kind kinds[] = {KIND_HMAC_KEY,  KIND_HMAC_KEY,         KIND_SEALED,
                                            KIND_SYMMETRIC, KIND_SYMMETRIC_PARENT, KIND_ECC_SIGN};

    return kinds[random_below(random, 6)];
}

void objects_create(struct model *model, struct random *random, unsigned client)
{
    struct material *material = &model->materials[model->material_count % MODEL_MATERIALS];
    struct traits traits = pick_traits(random);
    struct reader reader;
    struct call call;
    const uint8_t *bytes;

    /* The chip works on the new key in a slot. */
    contexts_make_room(model, random, 1, 0);
    traits.kind = pick_child_kind(random);
    if (!keys_command(traits.kind))
        traits.policy = POLICY_NONE;
    call_begin(&call, "Create", TPM2_CC_Create);
    call_handle(model, client, &call, auths_pick_handle(model, random, client, keys_is_parent));
    if (!call.handles[0].handle)
        return;
    auths_add(model, random, client, &call, 0, traits_of(&call, 0));
    keys_sensitive(&call, &traits);
    put_template(model, random, &call, &traits);
    call_sized(&call, NULL, 0);
    call_u32(&call, 0);
    if (!exchange_run(model, client, &call))
        return;
    reader = call_reader(model, &call);
    *material = (struct material){.traits = traits};
    memcpy(material->parent, call.handles[0].thing->traits.name, MODEL_NAME);
    bytes = reader_sized(&reader, &material->private_size);
    if (material->private_size <= sizeof(material->private_area))
        memcpy(material->private_area, bytes, material->private_size);
    bytes = reader_sized(&reader, &material->public_size);
    if (material->public_size <= sizeof(material->public_area))
        memcpy(material->public_area, bytes, material->public_size);
    keys_learn(&material->traits, material->public_area, material->public_size);
    model->material_count++;
}

static const struct material *pick_material(struct model *model, struct random *random,
                                            const struct thing *parent)
{
    uint32_t count =
        model->material_count < MODEL_MATERIALS ? model->material_count : MODEL_MATERIALS;
    uint32_t start = random_below(random, count);

    for (uint32_t i = 0; i < count; i++) {
        const struct material *material = &model->materials[(start + i) % count];

        if (!parent || memcmp(material->parent, parent->traits.name, MODEL_NAME) == 0)
            return material;
    }
    /* Of another parent, which is an error. */
    return count && random_chance(random, 20) ? &model->materials[start] : NULL;
}

void objects_load(struct model *model, struct random *random, unsigned client)
{
    const struct material *material;
    struct traits traits;
    struct call call;

    contexts_make_room(model, random, 1, 0);
    call_begin(&call, "Load", TPM2_CC_Load);
    call.makes = true;
    call_handle(model, client, &call, auths_pick_handle(model, random, client, keys_is_parent));
    material = pick_material(model, random, call.handles[0].thing);
    if (!call.handles[0].handle || !material)
        return;
    auths_add(model, random, client, &call, 0, traits_of(&call, 0));
    call_sized(&call, material->private_area, material->private_size);
    call_sized(&call, material->public_area, material->public_size);
    if (!exchange_run(model, client, &call))
        return;
    traits = material->traits;
    traits.hierarchy = call.handles[0].thing ? call.handles[0].thing->traits.hierarchy : 0;
    model_add(model, client, call.number, &traits);
}

/* A keyed hash whose secret the caller has: its unique field is the hash of seed and secret. */
static void put_external_key(struct call *call, struct traits *traits, uint32_t attributes)
{
    static const uint8_t seed[DIGEST_SIZE] = {1}, secret[16] = {2};
    uint8_t public_area[KEYS_PUBLIC_MAX];
    size_t size = keys_template(traits, attributes & ~KEYS_FIXED, 0, public_area);

    /* The data did not come from a TPM. */
    store_be32(public_area + 4, load_be32(public_area + 4) & ~KEYS_ORIGIN);
    store_be16(public_area + size - 2, DIGEST_SIZE);
    digest_sha256(public_area + size,
                  (struct part[]){{seed, sizeof(seed)}, {secret, sizeof(secret)}}, 2);
    size += DIGEST_SIZE;
    call_u16(call, (uint16_t)(8 + traits->auth.size + sizeof(seed) + sizeof(secret)));
    call_u16(call, TPM2_ALG_KEYEDHASH);
    call_sized(call, traits->auth.bytes, traits->auth.size);
    call_sized(call, seed, sizeof(seed));
    call_sized(call, secret, sizeof(secret));
    call_sized(call, public_area, size);
    keys_learn(traits, public_area, size);
}

void objects_load_external(struct model *model, struct random *random, unsigned client)
{
    const struct material *material = pick_material(model, random, NULL);
    struct traits traits = {
        .kind = KIND_HMAC_KEY, .hierarchy = TPM2_RH_NULL, .auth = keys_secret(random)};
    struct call call;
    bool public_only = random_chance(random, 30) && material;

    contexts_make_room(model, random, 1, 0);
    call_begin(&call, "LoadExternal", TPM2_CC_LoadExternal);
    call.makes = true;
    auths_add_extra(model, random, client, &call, false);
    if (public_only) {
        traits = material->traits;
        traits.kind = KIND_PUBLIC;
        traits.hierarchy = hierarchies[random_below(random, 5)];
        traits.auth.size = 0;
        call_sized(&call, NULL, 0);
        call_sized(&call, material->public_area, material->public_size);
    } else {
        put_external_key(&call, &traits, pick_attributes(model, random));
    }
    call_u32(&call, traits.hierarchy);
    if (exchange_run(model, client, &call))
        model_add(model, client, call.number, &traits);
}

void objects_create_loaded(struct model *model, struct random *random, unsigned client)
{
    struct traits traits = pick_traits(random);
    bool primary = random_chance(random, 50);
    struct reader reader;
    struct call call;
    const uint8_t *public_area;
    uint16_t size;

    contexts_make_room(model, random, 1, 0);
    traits.hierarchy = hierarchies[random_below(random, 5)];
    if (!primary)
        traits.kind = pick_child_kind(random);
    if (!keys_command(traits.kind))
        traits.policy = POLICY_NONE;
    call_begin(&call, "CreateLoaded", TPM2_CC_CreateLoaded);
    call.makes = true;
    call_handle(model, client, &call,
                primary ? traits.hierarchy
                        : auths_pick_handle(model, random, client, keys_is_parent));
    if (!call.handles[0].handle)
        return;
    auths_add(model, random, client, &call, 0, traits_of(&call, 0));
    keys_sensitive(&call, &traits);
    put_template(model, random, &call, &traits);
    if (!exchange_run(model, client, &call))
        return;
    if (call.handles[0].thing)
        traits.hierarchy = call.handles[0].thing->traits.hierarchy;
    reader = call_reader(model, &call);
    reader_sized(&reader, &size);
    public_area = reader_sized(&reader, &size);
    keys_learn(&traits, public_area, size);
    model_add(model, client, call.number, &traits);
}

static bool is_persistable(const struct thing *thing)
{
    return thing_is_object(thing) && !thing_is_sequence(thing)
           && (thing->traits.hierarchy == TPM2_RH_OWNER || thing->unsure);
}

void objects_evict_control(struct model *model, struct random *random, unsigned client)
{
    unsigned index = random_below(random, MODEL_PERSISTENT);
    bool removes = random_chance(random, model->persistent[index].name_size ? 70 : 5);
    struct thing *thing;
    struct call call;

    contexts_make_room(model, random, 1, 0);
    call_begin(&call, removes ? "EvictControl(out)" : "EvictControl(in)", TPM2_CC_EvictControl);
    call_handle(model, client, &call, TPM2_RH_OWNER);
    if (removes)
        objects_name_persistent(model, client, &call, index);
    else
        call_handle(model, client, &call, auths_pick_handle(model, random, client, is_persistable));
    if (!call.handles[1].handle)
        return;
    auths_add(model, random, client, &call, 0, &auths_open);
    call_u32(&call, OBJECTS_PERSISTENT(index));
    thing = call.handles[1].thing;
    if (!exchange_run(model, client, &call))
        return;
    if (removes)
        model->persistent[index].name_size = 0;
    else if (thing)
        model->persistent[index] = thing->traits;
}

void objects_name_persistent(struct model *model, unsigned client, struct call *call,
                             unsigned index)
{
    const struct traits *traits = &model->persistent[index];
    struct operand *operand;

    call_handle(model, client, call, OBJECTS_PERSISTENT(index));
    operand = &call->handles[call->handle_count - 1];
    operand->name_size = traits->name_size;
    memcpy(operand->name, traits->name, traits->name_size);
}
