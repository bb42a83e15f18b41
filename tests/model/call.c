/* SPDX-License-Identifier: BSD-2-Clause */
#include "call.h"

#include "wire/handle.h"
#include "wire/header.h"

#include <assert.h>
#include <string.h>

void call_begin(struct call *call, const char *what, uint32_t code)
{
    memset(call, 0, offsetof(struct call, parameters));
    call->what = what;
    call->code = code;
}

void call_handle(struct model *model, unsigned client, struct call *call, uint32_t handle)
{
    struct operand *operand = &call->handles[call->handle_count++];

    assert(call->handle_count <= CALL_HANDLES);
    *operand = (struct operand){.handle = handle, .thing = model_find(model, client, handle)};
}

void call_bytes(struct call *call, const void *bytes, size_t size)
{
    assert(call->size + size <= CALL_PARAMETERS);
    if (size)
        memcpy(call->parameters + call->size, bytes, size);
    call->size += size;
}

void call_u8(struct call *call, uint8_t value)
{
    call_bytes(call, &value, 1);
}

void call_u16(struct call *call, uint16_t value)
{
    uint8_t bytes[2];

    store_be16(bytes, value);
    call_bytes(call, bytes, sizeof(bytes));
}

void call_u32(struct call *call, uint32_t value)
{
    uint8_t bytes[4];

    store_be32(bytes, value);
    call_bytes(call, bytes, sizeof(bytes));
}

void call_sized(struct call *call, const void *bytes, size_t size)
{
    call_u16(call, (uint16_t)size);
    call_bytes(call, bytes, size);
}

struct auth *call_password(struct call *call, unsigned entity, const struct secret *secret)
{
    struct auth *auth = &call->auths[call->auth_count++];

    assert(call->auth_count <= CALL_AUTHS);
    *auth = (struct auth){.handle = TPM2_RH_PW,
                          .attributes = TPMA_SESSION_CONTINUESESSION,
                          .authorizes = true,
                          .entity = entity,
                          .secret = *secret};
    return auth;
}

struct auth *call_session(struct random *random, struct call *call, struct thing *session,
                          uint8_t attributes)
{
    struct auth *auth = &call->auths[call->auth_count++];

    assert(call->auth_count <= CALL_AUTHS);
    *auth = (struct auth){.handle = session->handle, .session = session, .attributes = attributes};
    auth->nonce_size = random_chance(random, 50) ? 16 : DIGEST_SIZE;
    random_fill(random, auth->nonce, auth->nonce_size);
    return auth;
}

/* The handle as this side knows it; the reference gets the numbers of things with it. */
static uint32_t handle_for(const struct operand *operand, struct reference_request *request,
                           size_t offset)
{
    const struct thing *thing = operand->thing;
    struct reference_patch *patch;

    if (!request || !(handle_is_transient(operand->handle) || handle_is_session(operand->handle)))
        return operand->handle;
    if (!thing || thing->ended)
        return handle_is_transient(operand->handle)
                   ? REFERENCE_NO_OBJECT
                   : (operand->handle & ~HANDLE_INDEX_MASK) | REFERENCE_NO_SESSION;
    patch = &request->patches[request->patch_count++];
    patch->offset = (uint32_t)offset;
    patch->thing = thing->number;
    /* A client may say a session's handle with the other of the two types. */
    patch->turn = (operand->handle ^ thing->handle) & ~HANDLE_INDEX_MASK;
    return 0;
}

/* The Name of what a handle names (Part 1, clause "Names"). */
static struct part name_of(const struct operand *operand, const struct reference_request *request,
                           uint8_t buffer[4])
{
    const struct thing *thing = operand->thing;

    if (thing && thing_is_object(thing))
        return (struct part){thing->traits.name, thing->traits.name_size};
    if (operand->name_size)
        return (struct part){operand->name, operand->name_size};
    store_be32(buffer, thing && request ? thing->session : operand->handle);
    return (struct part){buffer, 4};
}

static bool is_bound_to(const struct auth *auth, const struct call *call)
{
    const struct session_facts *facts = &auth->session->facts;
    uint8_t buffer[4];
    struct part name = name_of(&call->handles[auth->entity], NULL, buffer);

    return facts->bound && facts->bind_name_size == name.size
           && memcmp(facts->bind_name, name.bytes, name.size) == 0
           && facts->bind_auth.size == auth->secret.size
           && memcmp(facts->bind_auth.bytes, auth->secret.bytes, auth->secret.size) == 0;
}

/* The session key, and the entity's authValue behind it where `with_secret` says so. */
static size_t key_of(const struct auth *auth, bool with_secret, uint8_t *key)
{
    const struct session_facts *facts = &auth->session->facts;

    memcpy(key, facts->key, facts->key_size);
    if (!with_secret)
        return facts->key_size;
    memcpy(key + facts->key_size, auth->secret.bytes, auth->secret.size);
    return facts->key_size + auth->secret.size;
}

static bool hmac_has_secret(const struct auth *auth, const struct call *call)
{
    if (!auth->authorizes)
        return false;
    return auth->session->facts.type == TPM2_SE_HMAC ? !is_bound_to(auth, call)
                                                     : auth->session->facts.auth_value_needed;
}

static const struct auth *auth_with(const struct call *call, uint8_t attribute)
{
    for (unsigned i = 0; i < call->auth_count; i++) {
        if (call->auths[i].session && call->auths[i].attributes & attribute)
            return &call->auths[i];
    }
    return NULL;
}

static void make_hmac(const struct call *call, const struct auth *auth,
                      const uint8_t cp_hash[DIGEST_SIZE], uint8_t hmac[DIGEST_SIZE])
{
    const struct session_facts *facts = &auth->session->facts;
    const struct auth *decrypt = auth_with(call, TPMA_SESSION_DECRYPT);
    const struct auth *encrypt = auth_with(call, TPMA_SESSION_ENCRYPT);
    uint8_t key[DIGEST_SIZE + sizeof(auth->secret.bytes)];
    size_t key_size = key_of(auth, hmac_has_secret(auth, call), key);
    struct part parts[6] = {{cp_hash, DIGEST_SIZE},
                            {auth->nonce, auth->nonce_size},
                            {facts->nonce_tpm, facts->nonce_size}};
    unsigned count = 3;

    /* Part 1, clause "Session-Based Authorizations": the first session's HMAC covers the nonces
     * of the sessions that encrypt. */
    if (auth == &call->auths[0] && decrypt && decrypt != auth)
        parts[count++] =
            (struct part){decrypt->session->facts.nonce_tpm, decrypt->session->facts.nonce_size};
    if (auth == &call->auths[0] && encrypt && encrypt != auth && encrypt != decrypt)
        parts[count++] =
            (struct part){encrypt->session->facts.nonce_tpm, encrypt->session->facts.nonce_size};
    parts[count++] = (struct part){&auth->attributes, 1};
    digest_hmac(hmac, key, key_size, parts, count);
}

static size_t put_sized(uint8_t *out, const void *bytes, size_t size)
{
    store_be16(out, (uint16_t)size);
    memcpy(out + 2, bytes, size);
    return 2 + size;
}

static size_t put_auth(const struct call *call, const struct auth *auth,
                       const uint8_t cp_hash[DIGEST_SIZE], uint8_t *out, size_t at,
                       struct reference_request *request)
{
    struct operand operand = {.handle = auth->handle, .thing = auth->session};
    uint8_t proof[DIGEST_SIZE] = {0};
    size_t proof_size = DIGEST_SIZE;

    store_be32(out + at, handle_for(&operand, request, at));
    at += 4;
    at += put_sized(out + at, auth->nonce, auth->nonce_size);
    out[at++] = auth->attributes;
    if (auth->handle == TPM2_RH_PW || (auth->session && auth->session->facts.password_needed)) {
        proof_size = auth->secret.size;
        memcpy(proof, auth->secret.bytes, proof_size);
        if (auth->spoiled && proof_size < sizeof(proof))
            proof[proof_size++] = '!';
    } else if (auth->session) {
        make_hmac(call, auth, cp_hash, proof);
        proof[0] ^= auth->spoiled;
    }
    return at + put_sized(out + at, proof, proof_size);
}

/* XOR obfuscation of the first parameter (Part 1, clause "XOR Obfuscation"). */
static void obfuscate(const struct call *call, uint8_t *parameters)
{
    const struct auth *auth = auth_with(call, TPMA_SESSION_DECRYPT);
    uint8_t key[DIGEST_SIZE + sizeof(auth->secret.bytes)], mask[CALL_PARAMETERS];
    size_t size, key_size;

    if (!auth || !auth->session->facts.xor_encryption || call->size < 2)
        return;
    size = load_be16(parameters);
    if (size > call->size - 2)
        return;
    key_size = key_of(auth, auth->authorizes, key);
    digest_kdfa(mask, size, key, key_size, "XOR", (struct part){auth->nonce, auth->nonce_size},
                (struct part){auth->session->facts.nonce_tpm, auth->session->facts.nonce_size});
    for (size_t i = 0; i < size; i++)
        parameters[2 + i] ^= mask[i];
}

static void hash_command(const struct call *call, const uint8_t *parameters,
                         const struct reference_request *request, uint8_t cp_hash[DIGEST_SIZE])
{
    uint8_t code[4], buffers[CALL_HANDLES][4];
    struct part parts[CALL_HANDLES + 2] = {{code, 4}};
    unsigned count = 1;

    store_be32(code, call->code);
    for (unsigned i = 0; i < call->handle_count; i++)
        parts[count++] = name_of(&call->handles[i], request, buffers[i]);
    parts[count++] = (struct part){parameters, call->size};
    digest_sha256(cp_hash, parts, count);
}

size_t call_build(const struct call *call, uint8_t *out, struct reference_request *request)
{
    uint8_t parameters[CALL_PARAMETERS], cp_hash[DIGEST_SIZE];
    size_t at = HEADER_SIZE, area;

    memcpy(parameters, call->parameters, call->size);
    obfuscate(call, parameters);
    for (unsigned i = 0; i < call->handle_count; i++, at += 4)
        store_be32(out + at, handle_for(&call->handles[i], request, at));
    if (call->auth_count) {
        hash_command(call, parameters, request, cp_hash);
        area = at;
        at += 4;
        for (unsigned i = 0; i < call->auth_count; i++)
            at = put_auth(call, &call->auths[i], cp_hash, out, at, request);
        store_be32(out + area, (uint32_t)(at - area - 4));
    }
    if (call->loads) {
        assert(call->cut <= call->loads->size && call->flip < call->loads->size);
        memcpy(out + at, call->loads->bytes, call->loads->size - call->cut);
        out[at + call->flip] ^= call->flip ? 0xFF : 0;
        at += call->loads->size - call->cut;
    }
    if (call->names_parameter)
        store_be32(parameters, handle_for(&call->parameter, request, at));
    memcpy(out + at, parameters, call->size);
    at += call->size;
    header_store(out, call->auth_count ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, (uint32_t)at,
                 call->code);
    return at;
}

struct reader call_reader(const struct model *model, const struct call *call)
{
    size_t at = HEADER_SIZE + (call->makes ? 4 : 0) + (call->auth_count ? 4 : 0);

    if (at > model->response_size)
        return (struct reader){.bad = true};
    return (struct reader){model->response + at, model->response + model->response_size, false};
}

static const uint8_t *take(struct reader *reader, size_t size)
{
    static const uint8_t none[4];
    const uint8_t *at = reader->at;

    if (reader->bad || (size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        return none;
    }
    reader->at += size;
    return at;
}

uint16_t reader_u16(struct reader *reader)
{
    return load_be16(take(reader, 2));
}

const uint8_t *reader_sized(struct reader *reader, uint16_t *size)
{
    const uint8_t *at;

    *size = reader_u16(reader);
    at = take(reader, *size);
    if (reader->bad)
        *size = 0;
    return at;
}
