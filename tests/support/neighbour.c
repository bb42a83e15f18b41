/* SPDX-License-Identifier: BSD-2-Clause */
#include "neighbour.h"

#include "wire/header.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define PARENT    UINT32_C(0x8100BEEF)
#define HANDLE_AT HEADER_SIZE /* of what a command made, in its response */
#define TRIES     10

/* A command that is being put together, and its answer. */
struct exchange {
    uint8_t command[NEIGHBOUR_BYTES];
    size_t size;
    uint8_t response[NEIGHBOUR_BYTES];
};

static void put16(struct exchange *exchange, uint16_t value)
{
    store_be16(exchange->command + exchange->size, value);
    exchange->size += 2;
}

static void put32(struct exchange *exchange, uint32_t value)
{
    store_be32(exchange->command + exchange->size, value);
    exchange->size += 4;
}

static void put(struct exchange *exchange, const void *bytes, size_t size)
{
    memcpy(exchange->command + exchange->size, bytes, size);
    exchange->size += size;
}

static void begin(struct exchange *exchange)
{
    exchange->size = HEADER_SIZE;
}

/* An authorization area of one empty password. */
static void put_password(struct exchange *exchange)
{
    put32(exchange, 9);
    put32(exchange, TPM2_RS_PW);
    put32(exchange, 0); /* nonce of no bytes, no attributes, the first byte of the HMAC's size */
    exchange->command[exchange->size++] = 0;
}

static bool is_busy(uint32_t code)
{
    return code == TPM2_RC_TESTING || code == TPM2_RC_RETRY;
}

static uint32_t run(struct exchange *exchange, neighbour_send_fn *send, void *chip, uint16_t tag,
                    uint32_t code)
{
    uint32_t answer = TPM2_RC_TESTING;

    header_store(exchange->command, tag, (uint32_t)exchange->size, code);
    for (unsigned i = 0; i < TRIES && is_busy(answer); i++)
        answer = send(chip, exchange->command, exchange->size, exchange->response);
    return answer;
}

static void flush(struct exchange *exchange, neighbour_send_fn *send, void *chip, uint32_t handle)
{
    begin(exchange);
    put32(exchange, handle);
    run(exchange, send, chip, TPM2_ST_NO_SESSIONS, TPM2_CC_FlushContext);
}

/* TPMT_PUBLIC of an ECC P-256 storage key, as TPM2B. */
static void put_storage_key(struct exchange *exchange)
{
    put16(exchange, 26);
    put16(exchange, TPM2_ALG_ECC);
    put16(exchange, TPM2_ALG_SHA256);
    put32(exchange, TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN
                        | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
    put16(exchange, 0); /* authPolicy */
    put16(exchange, TPM2_ALG_AES);
    put16(exchange, 128);
    put16(exchange, TPM2_ALG_CFB);
    put16(exchange, TPM2_ALG_NULL); /* scheme */
    put16(exchange, TPM2_ECC_NIST_P256);
    put16(exchange, TPM2_ALG_NULL); /* kdf */
    put32(exchange, 0);             /* unique: x and y of no bytes */
}

/* The same of sealed data, the cheapest object. */
static void put_sealed_data(struct exchange *exchange)
{
    put16(exchange, 14);
    put16(exchange, TPM2_ALG_KEYEDHASH);
    put16(exchange, TPM2_ALG_SHA256);
    put32(exchange, TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH);
    put16(exchange, 0);             /* authPolicy */
    put16(exchange, TPM2_ALG_NULL); /* scheme */
    put16(exchange, 0);             /* unique */
}

static bool make_parent(struct exchange *exchange, neighbour_send_fn *send, void *chip)
{
    uint32_t primary;

    begin(exchange);
    put32(exchange, TPM2_RH_OWNER);
    put_password(exchange);
    put16(exchange, 4); /* inSensitive: no password, no data */
    put32(exchange, 0);
    put_storage_key(exchange);
    put16(exchange, 0); /* outsideInfo */
    put32(exchange, 0); /* creationPCR */
    if (run(exchange, send, chip, TPM2_ST_SESSIONS, TPM2_CC_CreatePrimary) != TPM2_RC_SUCCESS)
        return false;
    primary = load_be32(exchange->response + HANDLE_AT);
    begin(exchange);
    put32(exchange, TPM2_RH_OWNER);
    put32(exchange, primary);
    put_password(exchange);
    put32(exchange, PARENT);
    if (run(exchange, send, chip, TPM2_ST_SESSIONS, TPM2_CC_EvictControl) != TPM2_RC_SUCCESS)
        return false;
    flush(exchange, send, chip, primary);
    return true;
}

bool neighbour_prepare(struct neighbour *neighbour, neighbour_send_fn *send, void *chip)
{
    static const uint8_t sensitive[] = {0, 8, 0, 0, 0, 4, 'd', 'a', 't', 'a'};
    struct exchange exchange;
    const uint8_t *private = exchange.response + HEADER_SIZE + 4; /* behind parameterSize */
    size_t size;

    if (!make_parent(&exchange, send, chip))
        return false;
    begin(&exchange);
    put32(&exchange, PARENT);
    put_password(&exchange);
    put(&exchange, sensitive, sizeof(sensitive));
    put_sealed_data(&exchange);
    put16(&exchange, 0);
    put32(&exchange, 0);
    if (run(&exchange, send, chip, TPM2_ST_SESSIONS, TPM2_CC_Create) != TPM2_RC_SUCCESS)
        return false;
    /* outPrivate and outPublic, each behind its size */
    size = 2 + (size_t)load_be16(private);
    size += 2 + (size_t)load_be16(private + size);
    if (size > sizeof(neighbour->key))
        return false;
    memcpy(neighbour->key, private, size);
    neighbour->key_size = size;
    return true;
}

static bool is_no_room(uint32_t code)
{
    return code >= TPM2_RC_CONTEXT_GAP && code <= TPM2_RC_OBJECT_HANDLES;
}

static uint32_t start_sequence(struct exchange *exchange, neighbour_send_fn *send, void *chip)
{
    begin(exchange);
    put16(exchange, 0);
    put16(exchange, TPM2_ALG_SHA256);
    return run(exchange, send, chip, TPM2_ST_NO_SESSIONS, TPM2_CC_HashSequenceStart);
}

static uint32_t start_session(struct exchange *exchange, neighbour_send_fn *send, void *chip,
                              bool policy)
{
    static const uint8_t nonce[16] = "a neighbour's";

    begin(exchange);
    put32(exchange, TPM2_RH_NULL);
    put32(exchange, TPM2_RH_NULL);
    put16(exchange, sizeof(nonce));
    put(exchange, nonce, sizeof(nonce));
    put16(exchange, 0); /* encryptedSalt */
    exchange->command[exchange->size++] = policy ? TPM2_SE_POLICY : TPM2_SE_HMAC;
    put16(exchange, TPM2_ALG_NULL);
    put16(exchange, TPM2_ALG_SHA256);
    return run(exchange, send, chip, TPM2_ST_NO_SESSIONS, TPM2_CC_StartAuthSession);
}

static uint32_t load(const struct neighbour *neighbour, struct exchange *exchange,
                     neighbour_send_fn *send, void *chip)
{
    begin(exchange);
    put32(exchange, PARENT);
    put_password(exchange);
    put(exchange, neighbour->key, neighbour->key_size);
    return run(exchange, send, chip, TPM2_ST_SESSIONS, TPM2_CC_Load);
}

bool neighbour_try(struct neighbour *neighbour, neighbour_send_fn *send, void *chip)
{
    struct exchange exchange;
    uint32_t held[2 * NEIGHBOUR_MOST + 1], code;
    unsigned count = 0, refused = 0;

    neighbour->tries++;
    for (unsigned i = 0; i < neighbour->wants.objects && i < NEIGHBOUR_MOST; i++) {
        code = start_sequence(&exchange, send, chip);
        if (code == TPM2_RC_SUCCESS)
            held[count++] = load_be32(exchange.response + HANDLE_AT);
        neighbour->no_object += is_no_room(code);
        refused += is_no_room(code);
    }
    for (unsigned i = 0; i < neighbour->wants.sessions && i < NEIGHBOUR_MOST; i++) {
        code = start_session(&exchange, send, chip, i % 2);
        if (code == TPM2_RC_SUCCESS)
            held[count++] = load_be32(exchange.response + HANDLE_AT);
        neighbour->no_session += is_no_room(code);
        refused += is_no_room(code);
    }
    while (count > 0)
        flush(&exchange, send, chip, held[--count]);
    if (neighbour->wants.load && neighbour->key_size > 0) {
        code = load(neighbour, &exchange, send, chip);
        if (code == TPM2_RC_SUCCESS)
            flush(&exchange, send, chip, load_be32(exchange.response + HANDLE_AT));
        neighbour->no_load += is_no_room(code);
        refused += is_no_room(code);
    }
    return refused == 0;
}
