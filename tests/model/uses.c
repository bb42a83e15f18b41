/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "keys.h"
#include "steps.h"

#include <string.h>

static bool is_key(const struct thing *thing)
{
    return keys_command(thing->traits.kind) != 0;
}

static bool is_exchange_key(const struct thing *thing)
{
    return thing->traits.kind == KIND_ECC_EXCHANGE;
}

static void put_data(struct random *random, struct call *call, uint32_t limit)
{
    uint8_t data[256];
    size_t size = random_below(random, limit + 1);

    random_fill(random, data, size);
    call_sized(call, data, size);
}

static void put_parameters(struct random *random, struct call *call)
{
    uint8_t bytes[DIGEST_SIZE];

    switch (call->code) {
    case TPM2_CC_HMAC:
        put_data(random, call, 200);
        call_u16(call, random_chance(random, 50) ? TPM2_ALG_SHA256 : TPM2_ALG_NULL);
        return;
    case TPM2_CC_Sign:
        random_fill(random, bytes, sizeof(bytes));
        call_sized(call, bytes, sizeof(bytes));
        call_u16(call, TPM2_ALG_NULL);
        call_u16(call, TPM2_ST_HASHCHECK);
        call_u32(call, TPM2_RH_NULL);
        call_sized(call, NULL, 0);
        return;
    case TPM2_CC_EncryptDecrypt2:
        put_data(random, call, 100);
        call_u8(call, random_chance(random, 50));
        call_u16(call, random_chance(random, 50) ? TPM2_ALG_CFB : TPM2_ALG_NULL);
        random_fill(random, bytes, 16);
        call_sized(call, bytes, 16);
        return;
    case TPM2_CC_ECDH_ZGen:
        call_u16(call, 68);
        random_fill(random, bytes, sizeof(bytes));
        call_sized(call, bytes, sizeof(bytes));
        call_sized(call, bytes, sizeof(bytes));
        return;
    default:
        return;
    }
}

/* The command that the key is for, now and then another one. */
void uses_key(struct model *model, struct random *random, unsigned client)
{
    bool persistent = random_chance(random, 6);
    unsigned index = random_below(random, MODEL_PERSISTENT);
    enum thing_kind other = (enum thing_kind)random_below(random, KIND_RSA_SIGN);
    const struct traits *traits = &auths_open;
    struct call call;
    uint32_t code;

    call_begin(&call, "use of a key", 0);
    if (persistent && (model->persistent[index].name_size || random_chance(random, 10))) {
        contexts_make_room(model, random, 1, 0);
        objects_name_persistent(model, client, &call, index);
        traits = &model->persistent[index];
    } else {
        call_handle(model, client, &call, auths_pick_handle(model, random, client, is_key));
        if (!call.handles[0].handle)
            return;
        if (call.handles[0].thing && thing_is_object(call.handles[0].thing))
            traits = &call.handles[0].thing->traits;
    }
    code = keys_command(random_chance(random, 5) ? other : traits->kind);
    call.code = code ? code : TPM2_CC_HMAC;
    auths_add(model, random, client, &call, 0, traits);
    auths_add_extra(model, random, client, &call, true);
    put_parameters(random, &call);
    exchange_run(model, client, &call);
}

void uses_read_public(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "ReadPublic", TPM2_CC_ReadPublic);
    call_handle(model, client, &call, auths_pick_handle(model, random, client, thing_is_object));
    if (!call.handles[0].handle)
        return;
    auths_add_extra(model, random, client, &call, true);
    exchange_run(model, client, &call);
}

void uses_random(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "GetRandom", TPM2_CC_GetRandom);
    auths_add_extra(model, random, client, &call, true);
    auths_add_extra(model, random, client, &call, true);
    call_u16(&call, (uint16_t)random_below(random, 33));
    exchange_run(model, client, &call);
}

void uses_hash(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "Hash", TPM2_CC_Hash);
    auths_add_extra(model, random, client, &call, true);
    put_data(random, &call, 200);
    call_u16(&call, TPM2_ALG_SHA256);
    call_u32(&call, random_chance(random, 50) ? TPM2_RH_OWNER : TPM2_RH_NULL);
    exchange_run(model, client, &call);
}

void uses_pcr(struct model *model, struct random *random, unsigned client)
{
    uint8_t digest[DIGEST_SIZE];
    struct call call;

    if (random_chance(random, 50)) {
        call_begin(&call, "PCR_Read", TPM2_CC_PCR_Read);
        auths_add_extra(model, random, client, &call, true);
        call_u32(&call, 1);
        call_u16(&call, TPM2_ALG_SHA256);
        call_u8(&call, 3);
        call_bytes(&call, "\x00\x04\x01", 3);
    } else {
        call_begin(&call, "PCR_Extend", TPM2_CC_PCR_Extend);
        call_handle(model, client, &call, random_chance(random, 50) ? 10 : 16);
        auths_add(model, random, client, &call, 0, &auths_open);
        random_fill(random, digest, sizeof(digest));
        call_u32(&call, 1);
        call_u16(&call, TPM2_ALG_SHA256);
        call_bytes(&call, digest, sizeof(digest));
    }
    exchange_run(model, client, &call);
}

/* An exchange with the key, both halves of it by the TPM. */
void uses_exchange(struct model *model, struct random *random, unsigned client)
{
    uint32_t handle = auths_pick_handle(model, random, client, is_exchange_key);
    const struct thing *key;
    struct reader reader;
    struct call call;
    uint8_t point[256];
    uint16_t size;

    if (!handle)
        return;
    call_begin(&call, "ECDH_KeyGen", TPM2_CC_ECDH_KeyGen);
    call_handle(model, client, &call, handle);
    key = call.handles[0].thing;
    if (!exchange_run(model, client, &call) || !key)
        return;
    reader = call_reader(model, &call);
    reader_sized(&reader, &size);
    memcpy(point, reader_sized(&reader, &size), size);
    call_begin(&call, "ECDH_ZGen", TPM2_CC_ECDH_ZGen);
    call_handle(model, client, &call, handle);
    auths_add(model, random, client, &call, 0, &key->traits);
    call_sized(&call, point, size);
    exchange_run(model, client, &call);
}
