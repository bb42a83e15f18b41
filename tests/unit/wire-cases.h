/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of daemon/wire share: a command table, a command to take apart, and buffers of
 * just the size that is needed, so that a sanitizer sees a read past the end.
 */
#pragma once

#include "wire/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include <cmocka.h>

/* TPMA_CC of commands with none to seven handles, some with a handle in the response. */
#define CC_NO_HANDLE (TPM2_CC_GetRandom)
#define CC_CERTIFY   (UINT32_C(2) << TPMA_CC_CHANDLES_SHIFT | TPM2_CC_Certify)
#define CC_LOAD      (UINT32_C(1) << TPMA_CC_CHANDLES_SHIFT | TPMA_CC_RHANDLE | TPM2_CC_Load)
#define CC_SEVEN     (UINT32_C(7) << TPMA_CC_CHANDLES_SHIFT | UINT32_C(0x1FF))
#define CC_VENDOR    (TPMA_CC_V | UINT32_C(0x42))
#define CC_STARTUP   (TPM2_CC_Startup)
#define CC_SAVE      (UINT32_C(1) << TPMA_CC_CHANDLES_SHIFT | TPM2_CC_ContextSave)
#define CC_CTX_LOAD  (TPMA_CC_RHANDLE | TPM2_CC_ContextLoad)
#define CC_FLUSH     (TPM2_CC_FlushContext)

static inline void wire_fill_table(struct command_table *table)
{
    static const uint32_t words[] = {CC_SEVEN,   CC_NO_HANDLE, CC_CERTIFY,  CC_LOAD, CC_VENDOR,
                                     CC_STARTUP, CC_SAVE,      CC_CTX_LOAD, CC_FLUSH};

    *table = (struct command_table){0};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_true(command_table_add(table, words[i]));
}

/* Bytes of just this size on the heap. */
static inline uint8_t *wire_exactly(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size);

    assert_true(copy || size == 0);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

/* Parses a copy of just this size. The view's pointer is of no use afterwards. */
static inline uint32_t wire_parse(struct command *command, const void *bytes, size_t size)
{
    struct command_table table;
    uint8_t *copy = wire_exactly(bytes, size);
    uint32_t code;

    wire_fill_table(&table);
    code = command_parse(command, &table, copy, size);
    free(copy);
    return code;
}

/* Certify with two sessions: a password, and one with a nonce and an HMAC. */
static const uint8_t wire_certify[] = "\x80\x02\0\0\0\x36\0\0\x01\x48"
                                      "\x80\0\0\1\x81\0\0\2"
                                      "\0\0\0\x1c"
                                      "\x40\0\0\x09\0\0\x01\0\0"
                                      "\x02\0\0\0\0\x04nonc\x21\0\x06hmachm"
                                      "\0\0\0\x10";
#define CERTIFY_SIZE       (sizeof(wire_certify) - 1)
#define CERTIFY_HANDLES    10
#define CERTIFY_AREA       18
#define CERTIFY_PARAMETERS 50
