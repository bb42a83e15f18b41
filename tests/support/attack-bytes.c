/* SPDX-License-Identifier: BSD-2-Clause */
#include "attack-bytes.h"

#include "wire/control-frame.h"
#include "wire/header.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 8};

/* GetCapability of the algorithms, which the daemon knows once it was asked. */
static size_t write_capability(uint8_t *out)
{
    header_store(out, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 12, TPM2_CC_GetCapability);
    store_be32(out + HEADER_SIZE, TPM2_CAP_ALGS);
    store_be32(out + HEADER_SIZE + 4, 0);
    store_be32(out + HEADER_SIZE + 8, 1);
    return HEADER_SIZE + 12;
}

size_t attack_bytes_primary(uint8_t *out)
{
    static const uint8_t rest[] = {
        0x40, 0,    0, 7,                                     /* TPM_RH_NULL */
        0,    0,    0, 9,    0x40, 0, 0, 9,    0, 0, 0, 0, 0, /* a password, empty */
        0,    4,    0, 0,    0,    0,                         /* inSensitive */
        0,    22,                                             /* inPublic: */
        0,    0x23, 0, 0x0B,                                  /* ECC, SHA-256 */
        0,    4,    0, 0x72, 0,    0,                         /* a signing key without a policy */
        0,    0x10, 0, 0x10, 0,    3, 0, 0x10,                /* no scheme, P-256 */
        0,    0,    0, 0,                                     /* unique */
        0,    0,                                              /* outsideInfo */
        0,    0,    0, 0,                                     /* no PCRs */
    };

    header_store(out, TPM2_ST_SESSIONS, HEADER_SIZE + sizeof(rest), TPM2_CC_CreatePrimary);
    memcpy(out + HEADER_SIZE, rest, sizeof(rest));
    return HEADER_SIZE + sizeof(rest);
}

size_t attack_bytes_primaries(uint8_t *out, unsigned connection)
{
    (void)connection;
    return attack_bytes_primary(out);
}

size_t attack_bytes_capabilities(uint8_t *out, unsigned connection)
{
    size_t size = 0;

    (void)connection;
    while (size + 64 < ATTACK_BYTES_MAX)
        size += write_capability(out + size);
    return size;
}

/* A whole self-test leaves nothing behind, and takes its time. */
size_t attack_bytes_mixture(uint8_t *out, unsigned connection)
{
    if (connection % 2)
        return attack_bytes_capabilities(out, connection);
    header_store(out, TPM2_ST_NO_SESSIONS, HEADER_SIZE + 1, TPM2_CC_SelfTest);
    out[HEADER_SIZE] = 1;
    return HEADER_SIZE + 1;
}

size_t attack_bytes_canceled(uint8_t *out, unsigned connection)
{
    size_t size = 0;

    (void)connection;
    while (size + 64 < ATTACK_BYTES_MAX) {
        memcpy(out + size, get_random, sizeof(get_random));
        size += sizeof(get_random);
        size += control_frame_request_store(out + size, CONTROL_FRAME_CANCEL, 0);
    }
    return size;
}

size_t attack_bytes_hellos(uint8_t *out, unsigned connection)
{
    size_t size = 0;

    (void)connection;
    while (size + 64 < ATTACK_BYTES_MAX)
        size += control_frame_request_store(out + size, CONTROL_FRAME_HELLO, 0);
    return size;
}

size_t attack_bytes_commands_and_hellos(uint8_t *out, unsigned connection)
{
    if (connection % 2)
        return attack_bytes_hellos(out, connection);
    memcpy(out, get_random, sizeof(get_random));
    return sizeof(get_random);
}
