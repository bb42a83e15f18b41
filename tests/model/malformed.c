/* SPDX-License-Identifier: BSD-2-Clause */
#include "auths.h"
#include "exchange.h"
#include "rm/rc.h"
#include "steps.h"

#include <string.h>

#define NO_COMMAND UINT32_C(0x3FF)

static void expect(struct model *model, unsigned client, const uint8_t *command, size_t size,
                   uint32_t expected)
{
    uint32_t code = exchange_raw(model, client, command, size);

    if (code != expected && !model->watch.hit)
        model_fail(model, "malformed command 0x%x: 0x%x instead of 0x%x", header_load(command).code,
                   code, expected);
}

/* The header alone is wrong. */
void malformed_header(struct model *model, struct random *random, unsigned client)
{
    uint8_t bytes[64];
    uint32_t size = HEADER_SIZE + random_below(random, sizeof(bytes) - HEADER_SIZE + 1);
    uint32_t said = random_below(random, 2) ? size + 1 + random_below(random, 5000)
                                            : random_below(random, size);

    random_fill(random, bytes, sizeof(bytes));
    switch (random_below(random, 3)) {
    case 0:
        header_store(bytes, TPM2_ST_NO_SESSIONS, said, TPM2_CC_GetRandom);
        expect(model, client, bytes, size, RM_RC_COMMAND_SIZE);
        return;
    case 1:
        header_store(bytes, TPM2_ST_NO_SESSIONS, size, NO_COMMAND);
        expect(model, client, bytes, size, TPM2_RC_COMMAND_CODE);
        return;
    default: {
        struct reference_request request = {.operation = REFERENCE_RUN, .size = size};
        uint16_t tag = (uint16_t)(0x8003 + random_below(random, 0x1000));

        header_store(bytes, tag, size, TPM2_CC_GetRandom);
        memcpy(request.bytes, bytes, size);
        if (reference_ask(model->reference, &request, model->other) < HEADER_SIZE)
            model_fail(model, "the reference is gone");
        expect(model, client, bytes, size, header_load(model->other).code);
        return;
    }
    }
}

static size_t put_session(uint8_t *bytes, size_t at)
{
    static const uint8_t password[9] = {0x40, 0, 0, 9, 0, 0, 1, 0, 0};

    memcpy(bytes + at, password, sizeof(password));
    return at + sizeof(password);
}

/* Handle and authorization areas. */
void malformed_areas(struct model *model, struct random *random, unsigned client)
{
    static const uint32_t sessionless[] = {TPM2_CC_ContextSave, TPM2_CC_ContextLoad,
                                           TPM2_CC_FlushContext};
    uint8_t bytes[128] = {0};
    size_t at = HEADER_SIZE + 4;
    uint32_t code;

    random_fill(random, bytes + HEADER_SIZE, 8);
    switch (random_below(random, 5)) {
    case 0: /* the handle is cut */
        at = HEADER_SIZE + random_below(random, 4);
        header_store(bytes, TPM2_ST_NO_SESSIONS, (uint32_t)at, TPM2_CC_ReadPublic);
        expect(model, client, bytes, at, RM_RC(TPM2_RC_INSUFFICIENT));
        return;
    case 1: /* the area is too short or too long */
        store_be32(bytes + HEADER_SIZE, random_chance(random, 50)
                                            ? random_below(random, 9)
                                            : 12 + random_below(random, 1 << 16));
        at = put_session(bytes, at);
        break;
    case 2: /* four sessions */
        store_be32(bytes + HEADER_SIZE, 4 * 9);
        for (unsigned i = 0; i < 4; i++)
            at = put_session(bytes, at);
        break;
    case 3: /* a nonce that runs past the end of the area */
        store_be32(bytes + HEADER_SIZE, 9);
        put_session(bytes, at);
        store_be16(bytes + at + 4, (uint16_t)(1 + random_below(random, 65535)));
        at += 9;
        break;
    default: /* sessions on a command that takes none */
        code = sessionless[random_below(random, 3)];
        if (code == TPM2_CC_ContextSave)
            at += 4;
        store_be32(bytes + at - 4, 9);
        at = put_session(bytes, at);
        header_store(bytes, TPM2_ST_SESSIONS, (uint32_t)at, code);
        expect(model, client, bytes, at, RM_RC(TPM2_RC_AUTH_CONTEXT));
        return;
    }
    store_be16(bytes + at, 8);
    at += 2;
    header_store(bytes, TPM2_ST_SESSIONS, (uint32_t)at, TPM2_CC_GetRandom);
    expect(model, client, bytes, at, RM_RC(TPM2_RC_AUTHSIZE));
}

/* Parameters cut or with something behind them: the chip says what it thinks of them. */
void malformed_parameters(struct model *model, struct random *random, unsigned client)
{
    static const uint32_t codes[] = {
        TPM2_CC_Hash, TPM2_CC_GetRandom, TPM2_CC_PCR_Read,       TPM2_CC_HashSequenceStart,
        TPM2_CC_Load, TPM2_CC_HMAC,      TPM2_CC_SequenceUpdate, TPM2_CC_StartAuthSession};
    struct call call;
    uint8_t bytes[40];

    contexts_make_room(model, random, 1, 1);
    call_begin(&call, "malformed parameters", codes[random_below(random, 8)]);
    call.makes = call.code == TPM2_CC_HashSequenceStart || call.code == TPM2_CC_Load
                 || call.code == TPM2_CC_StartAuthSession;
    if (call.code == TPM2_CC_StartAuthSession) {
        call_handle(model, client, &call, TPM2_RH_NULL);
        call_handle(model, client, &call, TPM2_RH_NULL);
    }
    if (call.code == TPM2_CC_Load || call.code == TPM2_CC_HMAC
        || call.code == TPM2_CC_SequenceUpdate) {
        call_handle(model, client, &call,
                    auths_pick_handle(model, random, client, thing_is_object));
        if (!call.handles[0].handle)
            return;
        auths_add(model, random, client, &call, 0,
                  call.handles[0].thing ? &call.handles[0].thing->traits : &auths_open);
    }
    random_fill(random, bytes, sizeof(bytes));
    if (random_chance(random, 50))
        store_be16(bytes, (uint16_t)random_below(random, 40));
    call_bytes(&call, bytes, 1 + random_below(random, sizeof(bytes)));
    /* No algorithm and no hierarchy ends like this, so that nothing is made by chance. */
    call.parameters[call.size - 1] = 0xEE;
    exchange_run(model, client, &call);
}
