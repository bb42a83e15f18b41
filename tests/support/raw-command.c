/* SPDX-License-Identifier: BSD-2-Clause */
#include "raw-command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <tss2/tss2_tpm2_types.h>

#include <cmocka.h>

uint32_t raw_send_handle(struct rm_world *world, unsigned client, uint32_t code, uint32_t handle)
{
    uint8_t command[14];

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), code);
    store_be32(command + 10, handle);
    return rm_world_send(world, client, command, sizeof(command), NULL, NULL);
}

uint32_t raw_send_sized(struct rm_world *world, unsigned client, uint8_t *command, size_t size)
{
    store_be32(command + 2, (uint32_t)size);
    return rm_world_send(world, client, command, size, NULL, NULL);
}

size_t raw_save(struct rm_world *world, unsigned client, uint32_t handle, uint8_t command[4096])
{
    uint8_t save[14], response[4096];
    size_t size;

    header_store(save, TPM2_ST_NO_SESSIONS, sizeof(save), TPM2_CC_ContextSave);
    store_be32(save + 10, handle);
    assert_int_equal(rm_world_send(world, client, save, sizeof(save), response, &size),
                     TPM2_RC_SUCCESS);
    return command_build_context_load(command, response + HEADER_SIZE, size - HEADER_SIZE);
}

uint32_t raw_send_session(struct rm_world *world, unsigned client, uint32_t session,
                          uint8_t attributes)
{
    uint8_t command[25] = {0};

    header_store(command, TPM2_ST_SESSIONS, sizeof(command), TPM2_CC_GetRandom);
    store_be32(command + 10, 9);
    store_be32(command + 14, session);
    command[20] = attributes;
    store_be16(command + 23, 8);
    return rm_world_send(world, client, command, sizeof(command), NULL, NULL);
}

uint32_t raw_start_session(struct rm_world *world, unsigned client, uint8_t type, uint32_t *handle)
{
    uint8_t command[43] = {0}, response[4096];
    uint32_t code;

    header_store(command, TPM2_ST_NO_SESSIONS, sizeof(command), TPM2_CC_StartAuthSession);
    store_be32(command + 10, TPM2_RH_NULL);
    store_be32(command + 14, TPM2_RH_NULL);
    store_be16(command + 18, 16); /* nonce of zeros; no salt */
    command[38] = type;
    store_be16(command + 39, TPM2_ALG_NULL);
    store_be16(command + 41, TPM2_ALG_SHA256);
    code = rm_world_send(world, client, command, sizeof(command), response, NULL);
    if (code == TPM2_RC_SUCCESS)
        *handle = load_be32(response + 10);
    return code;
}
