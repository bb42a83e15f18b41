/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash-bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void crash_bytes_add(struct crash_bytes *bytes, const void *from, size_t size)
{
    assert_true(size <= sizeof(bytes->bytes) - bytes->size);
    memcpy(bytes->bytes + bytes->size, from, size);
    bytes->size += size;
}

void crash_bytes_add16(struct crash_bytes *bytes, uint16_t value)
{
    uint8_t stored[2];

    store_be16(stored, value);
    crash_bytes_add(bytes, stored, sizeof(stored));
}

void crash_bytes_add32(struct crash_bytes *bytes, uint32_t value)
{
    uint8_t stored[4];

    store_be32(stored, value);
    crash_bytes_add(bytes, stored, sizeof(stored));
}

void crash_bytes_fill(struct crash_bytes *bytes, uint8_t value, uint16_t count)
{
    uint8_t filled[256];

    memset(filled, value, sizeof(filled));
    crash_bytes_add16(bytes, count);
    crash_bytes_add(bytes, filled, count);
}

void crash_bytes_begin(struct crash_bytes *bytes, uint16_t tag, uint32_t code)
{
    bytes->size = HEADER_SIZE;
    header_store(bytes->bytes, tag, 0, code);
}

void crash_bytes_end(struct crash_bytes *bytes)
{
    store_be32(bytes->bytes + 2, (uint32_t)bytes->size);
}

void crash_bytes_named(struct crash_bytes *bytes, uint32_t code, uint32_t handle)
{
    crash_bytes_begin(bytes, TPM2_ST_NO_SESSIONS, code);
    crash_bytes_add32(bytes, handle);
}

/* A session without nonce and HMAC. */
static void add_session(struct crash_bytes *bytes, uint32_t session, uint8_t attributes)
{
    crash_bytes_add32(bytes, 9);
    crash_bytes_add32(bytes, session);
    crash_bytes_add16(bytes, 0);
    crash_bytes_add(bytes, &attributes, 1);
    crash_bytes_add16(bytes, 0);
}

/* A command about one handle, with an empty password. */
void crash_bytes_authorized(struct crash_bytes *bytes, uint32_t code, uint32_t handle)
{
    crash_bytes_begin(bytes, TPM2_ST_SESSIONS, code);
    crash_bytes_add32(bytes, handle);
    add_session(bytes, TPM2_RS_PW, 0);
}

void crash_bytes_hmac(struct crash_bytes *bytes, uint32_t key)
{
    crash_bytes_authorized(bytes, TPM2_CC_HMAC, key);
    crash_bytes_fill(bytes, 'h', 1);
    crash_bytes_add16(bytes, TPM2_ALG_NULL);
}

void crash_bytes_complete(struct crash_bytes *bytes, uint32_t sequence)
{
    crash_bytes_authorized(bytes, TPM2_CC_SequenceComplete, sequence);
    crash_bytes_add16(bytes, 0);
    crash_bytes_add32(bytes, TPM2_RH_NULL);
}

void crash_bytes_hash(struct crash_bytes *bytes, unsigned count)
{
    crash_bytes_begin(bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_Hash);
    crash_bytes_fill(bytes, 'a', (uint16_t)count);
    crash_bytes_add16(bytes, TPM2_ALG_SHA256);
    crash_bytes_add32(bytes, TPM2_RH_NULL);
}

void crash_bytes_start_session(struct crash_bytes *bytes, uint8_t type)
{
    static const uint8_t nonce[16];

    crash_bytes_begin(bytes, TPM2_ST_NO_SESSIONS, TPM2_CC_StartAuthSession);
    crash_bytes_add32(bytes, TPM2_RH_NULL);
    crash_bytes_add32(bytes, TPM2_RH_NULL);
    crash_bytes_add16(bytes, sizeof(nonce));
    crash_bytes_add(bytes, nonce, sizeof(nonce));
    crash_bytes_add16(bytes, 0);
    crash_bytes_add(bytes, &type, 1);
    crash_bytes_add16(bytes, TPM2_ALG_NULL);
    crash_bytes_add16(bytes, TPM2_ALG_SHA256);
}

void crash_bytes_audited(struct crash_bytes *bytes, uint32_t session, bool goes_on)
{
    crash_bytes_begin(bytes, TPM2_ST_SESSIONS, TPM2_CC_GetRandom);
    add_session(bytes, session, TPMA_SESSION_AUDIT | (goes_on ? TPMA_SESSION_CONTINUESESSION : 0));
    crash_bytes_add16(bytes, 4);
}

void crash_bytes_create(struct crash_bytes *bytes, uint32_t hierarchy, uint8_t tag)
{
    crash_bytes_authorized(bytes, TPM2_CC_CreatePrimary, hierarchy);
    crash_bytes_add16(bytes, 4);
    crash_bytes_add32(bytes, 0);
    crash_bytes_add16(bytes, 16 + 32);
    crash_bytes_add16(bytes, TPM2_ALG_KEYEDHASH);
    crash_bytes_add16(bytes, TPM2_ALG_SHA256);
    crash_bytes_add32(bytes, TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA
                                 | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_FIXEDTPM
                                 | TPMA_OBJECT_FIXEDPARENT);
    crash_bytes_add16(bytes, 0);
    crash_bytes_add16(bytes, TPM2_ALG_HMAC);
    crash_bytes_add16(bytes, TPM2_ALG_SHA256);
    crash_bytes_fill(bytes, tag, 32);
    crash_bytes_add16(bytes, 0);
    crash_bytes_add32(bytes, 0);
}
