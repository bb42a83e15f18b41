/* SPDX-License-Identifier: BSD-2-Clause */
#include "keys.h"

#include <string.h>

#define RESTRICTED UINT32_C(0x10000)
#define DECRYPT    UINT32_C(0x20000)
#define SIGN       UINT32_C(0x40000)
#define USER_AUTH  UINT32_C(0x40)

struct shape {
    uint16_t type;
    uint32_t attributes;
    uint8_t parameters[16];
    uint8_t parameters_size;
    uint8_t unique_count; /* TPM2Bs of the unique field */
    uint32_t command;
};

static const struct shape shapes[KIND_HASH_SEQUENCE] = {
    [KIND_HMAC_KEY] = {TPM2_ALG_KEYEDHASH, SIGN | KEYS_ORIGIN, {0, 5, 0, 0xB}, 4, 1, TPM2_CC_HMAC},
    [KIND_SEALED] = {TPM2_ALG_KEYEDHASH, 0, {0, 0x10}, 2, 1, TPM2_CC_Unseal},
    [KIND_SYMMETRIC] = {TPM2_ALG_SYMCIPHER,
                        SIGN | DECRYPT | KEYS_ORIGIN,
                        {0, 6, 0, 128, 0, 0x43},
                        6,
                        1,
                        TPM2_CC_EncryptDecrypt2},
    [KIND_SYMMETRIC_PARENT] =
        {TPM2_ALG_SYMCIPHER, RESTRICTED | DECRYPT | KEYS_ORIGIN, {0, 6, 0, 128, 0, 0x43}, 6, 1, 0},
    [KIND_ECC_PARENT] = {TPM2_ALG_ECC,
                         RESTRICTED | DECRYPT | KEYS_ORIGIN,
                         {0, 6, 0, 128, 0, 0x43, 0, 0x10, 0, 3, 0, 0x10},
                         12,
                         2,
                         0},
    [KIND_ECC_SIGN] = {TPM2_ALG_ECC,
                       SIGN | KEYS_ORIGIN,
                       {0, 0x10, 0, 0x18, 0, 0xB, 0, 3, 0, 0x10},
                       10,
                       2,
                       TPM2_CC_Sign},
    [KIND_ECC_EXCHANGE] = {TPM2_ALG_ECC,
                           DECRYPT | KEYS_ORIGIN,
                           {0, 0x10, 0, 0x10, 0, 3, 0, 0x10},
                           8,
                           2,
                           TPM2_CC_ECDH_ZGen},
    [KIND_RSA_SIGN] = {TPM2_ALG_RSA,
                       SIGN | KEYS_ORIGIN,
                       {0, 0x10, 0, 0x14, 0, 0xB, 4, 0, 0, 0, 0, 0},
                       12,
                       1,
                       TPM2_CC_Sign},
};

uint32_t keys_command(enum thing_kind kind)
{
    return kind < KIND_HASH_SEQUENCE ? shapes[kind].command : 0;
}

/* What the policy commands extend the policy digest to, from its start of zeros. */
static void policy_digest(const struct traits *traits, uint8_t digest[DIGEST_SIZE])
{
    uint8_t start[DIGEST_SIZE] = {0}, code[8];
    bool by_command = traits->policy == POLICY_COMMAND_CODE;

    store_be32(code, by_command ? TPM2_CC_PolicyCommandCode : TPM2_CC_PolicyAuthValue);
    store_be32(code + 4, keys_command(traits->kind));
    digest_sha256(digest, (struct part[]){{start, sizeof(start)}, {code, by_command ? 8 : 4}}, 2);
}

size_t keys_template(const struct traits *traits, uint32_t extra, uint8_t tag, uint8_t *out)
{
    const struct shape *shape = &shapes[traits->kind];
    size_t at = 10;

    store_be16(out, shape->type);
    store_be16(out + 2, TPM2_ALG_SHA256);
    store_be32(out + 4, (shape->attributes | USER_AUTH | extra));
    store_be16(out + 8, traits->policy == POLICY_NONE ? 0 : DIGEST_SIZE);
    if (traits->policy != POLICY_NONE) {
        policy_digest(traits, out + at);
        at += DIGEST_SIZE;
    }
    memcpy(out + at, shape->parameters, shape->parameters_size);
    at += shape->parameters_size;
    for (unsigned i = 0; i < shape->unique_count; i++) {
        store_be16(out + at, tag ? 1 : 0);
        at += 2;
        if (tag)
            out[at++] = tag;
    }
    return at;
}

void keys_learn(struct traits *traits, const uint8_t *public_area, size_t size)
{
    store_be16(traits->name, TPM2_ALG_SHA256);
    digest_sha256(traits->name + 2, &(struct part){public_area, size}, 1);
    traits->name_size = MODEL_NAME;
    traits->point_size = 0;
    /* x and y are the last two TPM2Bs, of 32 bytes each on the curve that is used. */
    if (size > 68 && load_be16(public_area) == TPM2_ALG_ECC) {
        traits->point_size = 32;
        memcpy(traits->point, public_area + size - 66, 32);
    }
}

void keys_sensitive(struct call *call, const struct traits *traits)
{
    static const uint8_t data[8] = "sealed.";
    size_t data_size = traits->kind == KIND_SEALED ? sizeof(data) : 0;

    call_u16(call, (uint16_t)(4 + traits->auth.size + data_size));
    call_sized(call, traits->auth.bytes, traits->auth.size);
    call_sized(call, data, data_size);
}

struct secret keys_secret(struct random *random)
{
    static const struct secret secrets[] = {{0, ""}, {1, "a"}, {6, "secret"}, {0, ""}};

    return secrets[random_below(random, 4)];
}

bool keys_is_parent(const struct thing *thing)
{
    return thing->traits.kind == KIND_SYMMETRIC_PARENT || thing->traits.kind == KIND_ECC_PARENT;
}
