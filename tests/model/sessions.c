/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "books.h"
#include "exchange.h"
#include "keys.h"
#include "steps.h"

#include <string.h>

#define FILL 70 /* more than the sessions that a chip tracks */

/* Nonces of salted sessions and the secret that only the key's TPM and the caller know. */
struct salt {
    uint8_t secret[DIGEST_SIZE];
    size_t secret_size;
    uint8_t point[256]; /* encryptedSalt */
    uint16_t point_size;
};

static bool is_salt_key(const struct thing *thing)
{
    return thing->traits.kind == KIND_ECC_EXCHANGE;
}

static bool is_audit(const struct thing *thing)
{
    return thing_is_session(thing) && thing->facts.audited;
}

static bool is_policy(const struct thing *thing)
{
    return thing_is_session(thing) && thing->facts.type != TPM2_SE_HMAC;
}

/* Has the TPM make the ephemeral key, and derives the salt from what it says (Part 1, Annex
 * "ECC", "Secret sharing"). */
static bool make_salt(struct model *model, unsigned client, const struct thing *key,
                      struct salt *salt)
{
    struct reader reader, inner;
    struct call call;
    const uint8_t *z, *point, *x;
    uint16_t z_size, x_size;

    call_begin(&call, "ECDH_KeyGen", TPM2_CC_ECDH_KeyGen);
    call_handle(model, client, &call, key->handle);
    if (!exchange_run(model, client, &call) || key->traits.point_size == 0)
        return false;
    reader = call_reader(model, &call);
    z = reader_sized(&reader, &z_size);
    point = reader_sized(&reader, &salt->point_size);
    if (reader.bad || salt->point_size > sizeof(salt->point))
        model_fail(model, "ECDH_KeyGen: an answer that is none");
    memcpy(salt->point, point, salt->point_size);
    inner = (struct reader){z, z + z_size, false};
    z = reader_sized(&inner, &z_size);
    inner = (struct reader){point, point + salt->point_size, false};
    x = reader_sized(&inner, &x_size);
    digest_kdfe(salt->secret, (struct part){z, z_size}, "SECRET", (struct part){x, x_size},
                (struct part){key->traits.point, key->traits.point_size});
    salt->secret_size = DIGEST_SIZE;
    return true;
}

/* The session key (Part 1, clause "Session Key Creation"). */
static void make_key(struct session_facts *facts, const struct salt *salt, struct part nonce)
{
    uint8_t key[sizeof(facts->bind_auth.bytes) + DIGEST_SIZE];

    if (!facts->bound && !salt->secret_size)
        return;
    memcpy(key, facts->bind_auth.bytes, facts->bind_auth.size);
    memcpy(key + facts->bind_auth.size, salt->secret, salt->secret_size);
    facts->key_size = DIGEST_SIZE;
    digest_kdfa(facts->key, DIGEST_SIZE, key, facts->bind_auth.size + salt->secret_size, "ATH",
                (struct part){facts->nonce_tpm, facts->nonce_size}, nonce);
}

static void set_bind(struct session_facts *facts, const struct operand *bind)
{
    const struct thing *thing = bind->thing;

    facts->bound = true;
    facts->bind_auth.size = 0;
    store_be32(facts->bind_name, bind->handle);
    facts->bind_name_size = 4;
    if (!thing)
        return;
    facts->bind_auth = thing->traits.auth;
    facts->bind_name_size = thing->traits.name_size;
    memcpy(facts->bind_name, thing->traits.name, thing->traits.name_size);
}

static void put_symmetric(struct call *call, struct session_facts *facts, unsigned choice)
{
    facts->xor_encryption = choice == 1;
    call_u16(call, choice == 0 ? TPM2_ALG_NULL : choice == 1 ? TPM2_ALG_XOR : TPM2_ALG_AES);
    if (choice == 1)
        call_u16(call, TPM2_ALG_SHA256);
    if (choice == 2) {
        call_u16(call, 128);
        call_u16(call, TPM2_ALG_CFB);
    }
}

static bool is_key(const struct thing *thing)
{
    return thing_is_object(thing) && !thing_is_sequence(thing);
}

void sessions_start(struct model *model, struct random *random, unsigned client)
{
    static const uint8_t types[] = {TPM2_SE_HMAC,   TPM2_SE_HMAC,   TPM2_SE_HMAC,
                                    TPM2_SE_POLICY, TPM2_SE_POLICY, TPM2_SE_TRIAL};
    struct thing *key =
        random_chance(random, 30) ? model_pick(model, random, client, is_salt_key) : NULL;
    struct traits traits = {.kind = KIND_SESSION};
    struct session_facts facts = {.type = types[random_below(random, 6)]};
    struct salt salt = {0};
    struct reader reader;
    struct call call;
    uint8_t nonce[DIGEST_SIZE];
    uint32_t bind = TPM2_RH_NULL;
    uint16_t size;

    if (random_chance(random, 30))
        bind = random_chance(random, 30) ? TPM2_RH_OWNER
                                         : auths_pick_handle(model, random, client, is_key);
    contexts_make_room(model, random, 0, 1);
    if (key && (key->state != THING_LIVE || !make_salt(model, client, key, &salt)))
        key = NULL;
    call_begin(&call, "StartAuthSession", TPM2_CC_StartAuthSession);
    call.makes = true;
    call_handle(model, client, &call, key ? key->handle : TPM2_RH_NULL);
    /* The salt key and the bind object may be one. */
    if (key && random_chance(random, 30))
        bind = key->handle;
    call_handle(model, client, &call, bind ? bind : TPM2_RH_NULL);
    auths_add_extra(model, random, client, &call, false);
    random_fill(random, nonce, sizeof(nonce));
    call_sized(&call, nonce, sizeof(nonce));
    call_sized(&call, salt.point, salt.point_size);
    call_u8(&call, facts.type);
    put_symmetric(&call, &facts, random_below(random, 3));
    call_u16(&call, TPM2_ALG_SHA256);
    if (!exchange_run(model, client, &call))
        return;
    if (call.handles[1].handle != TPM2_RH_NULL)
        set_bind(&facts, &call.handles[1]);
    reader = call_reader(model, &call);
    memcpy(facts.nonce_tpm, reader_sized(&reader, &size), DIGEST_SIZE);
    facts.nonce_size = size;
    make_key(&facts, &salt, (struct part){nonce, sizeof(nonce)});
    model_add(model, client, call.number, &traits)->facts = facts;
}

/* Sessions until the client may have no more, or the chip can have no more; then most of them go
 * again. A session of a closed connection would be given up where a bare TPM has to refuse. */
void sessions_fill(struct model *model, struct random *random, unsigned client)
{
    struct thing *session;

    for (uint32_t i = 1; i <= model->thing_count; i++) {
        if (model->things[i].state == THING_SAVED && model->things[i].owner < 0)
            return;
    }
    for (unsigned refused = 0; refused < 3 && model->setting.spilling; refused++) {
        unsigned before = model_count(model, (int)client, thing_is_session);

        sessions_start(model, random, client);
        /* The manager does not wait for the end of the step with what it has lost. */
        books_settle(model);
        if (model_count(model, (int)client, thing_is_session) > before)
            refused = 0;
    }
    for (unsigned i = 0; i < FILL && model->setting.spilling; i++) {
        session = model_pick(model, random, client, thing_is_session);
        if (session && random_chance(random, 90))
            contexts_flush_handle(model, client, session->handle);
    }
}

/* What a policy command leaves for the commands that the session will authorize. */
static void learn_policy(struct thing *session, uint32_t code)
{
    struct session_facts *facts = &session->facts;

    facts->policy_steps = code == TPM2_CC_PolicyRestart ? 0 : facts->policy_steps + 1;
    if (code == TPM2_CC_PolicyAuthValue || code == TPM2_CC_PolicyPassword
        || code == TPM2_CC_PolicyRestart) {
        facts->auth_value_needed = code == TPM2_CC_PolicyAuthValue;
        facts->password_needed = code == TPM2_CC_PolicyPassword;
    }
}

void sessions_policy(struct model *model, struct random *random, unsigned client)
{
    static const uint32_t codes[] = {TPM2_CC_PolicyAuthValue,   TPM2_CC_PolicyPassword,
                                     TPM2_CC_PolicyCommandCode, TPM2_CC_PolicyGetDigest,
                                     TPM2_CC_PolicyGetDigest,   TPM2_CC_PolicyPCR,
                                     TPM2_CC_PolicyRestart};
    uint32_t code = codes[random_below(random, 7)];
    struct thing *session;
    struct call call;

    call_begin(&call, "policy command", code);
    call_handle(model, client, &call,
                auths_pick_handle(model, random, client,
                                  random_chance(random, 95) ? is_policy : thing_is_session));
    session = call.handles[0].thing;
    if (!call.handles[0].handle)
        return;
    auths_add_extra(model, random, client, &call, false);
    if (code == TPM2_CC_PolicyCommandCode)
        call_u32(&call, random_chance(random, 50) ? TPM2_CC_HMAC : TPM2_CC_Sign);
    if (code == TPM2_CC_PolicyPCR) {
        call_sized(&call, NULL, 0);
        call_u32(&call, 1);
        call_u16(&call, TPM2_ALG_SHA256);
        call_bytes(&call, "\x03\x00\x04\x00", 4);
    }
    if (exchange_run(model, client, &call) && session && code != TPM2_CC_PolicyGetDigest)
        learn_policy(session, code);
}

/* PolicySecret: a policy session in the handle area, authorized by something else. */
void sessions_policy_secret(struct model *model, struct random *random, unsigned client)
{
    struct thing *session;
    const struct thing *entity;
    struct call call;
    uint32_t handle = random_chance(random, 50) ? TPM2_RH_OWNER
                                                : auths_pick_handle(model, random, client, is_key);

    call_begin(&call, "PolicySecret", TPM2_CC_PolicySecret);
    call_handle(model, client, &call, handle ? handle : TPM2_RH_ENDORSEMENT);
    call_handle(model, client, &call, auths_pick_handle(model, random, client, is_policy));
    entity = call.handles[0].thing;
    session = call.handles[1].thing;
    if (!call.handles[1].handle)
        return;
    auths_add(model, random, client, &call, 0,
              entity && thing_is_object(entity) ? &entity->traits : &auths_open);
    call_sized(&call, NULL, 0);
    call_sized(&call, NULL, 0);
    call_sized(&call, "ref", random_below(random, 4));
    call_u32(&call, 0);
    if (exchange_run(model, client, &call) && session)
        session->facts.policy_steps++;
}

/* The digest of an audit session. The attestation bears the clock, which no two TPMs share. */
void sessions_audit_digest(struct model *model, struct random *random, unsigned client)
{
    struct call call;

    call_begin(&call, "GetSessionAuditDigest", TPM2_CC_GetSessionAuditDigest);
    call_handle(model, client, &call, TPM2_RH_ENDORSEMENT);
    call_handle(model, client, &call, TPM2_RH_NULL);
    call_handle(model, client, &call,
                auths_pick_handle(model, random, client,
                                  random_chance(random, 90) ? is_audit : thing_is_session));
    if (!call.handles[2].handle)
        return;
    call_password(&call, 0, &auths_open.auth);
    call_password(&call, 1, &auths_open.auth);
    call_sized(&call, "data", 4);
    call_u16(&call, TPM2_ALG_NULL);
    call.has_clock = true;
    exchange_run(model, client, &call);
}
