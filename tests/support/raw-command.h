/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands as bytes, for tests that need to say exactly what is sent. */
#pragma once

#include "rm-world.h"
#include "wire/command.h"

/* Sends the command `code` with one handle and nothing else; the response code. */
uint32_t raw_send_handle(struct rm_world *world, unsigned client, uint32_t code, uint32_t handle);

/* Sends the first `size` bytes of `command` after putting that into its size field. */
uint32_t raw_send_sized(struct rm_world *world, unsigned client, uint8_t *command, size_t size);

/* Sends TPM2_ContextSave; the ContextLoad that brings the context back goes to `command`. */
size_t raw_save(struct rm_world *world, unsigned client, uint32_t handle, uint8_t command[4096]);

/* Sends TPM2_GetRandom(8) with one session of no nonce, no HMAC and the given attributes. */
uint32_t raw_send_session(struct rm_world *world, unsigned client, uint32_t session,
                          uint8_t attributes);

/* Sends TPM2_StartAuthSession without any secret, of this type (TPM2_SE_...), which is cheap enough
 * for many. */
uint32_t raw_start_session(struct rm_world *world, unsigned client, uint8_t type, uint32_t *handle);
