/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Name of an object in the answer to the command that made the object (TPM 2.0 Library Part 3:
 * TPM2_Load, TPM2_LoadExternal, TPM2_CreatePrimary, TPM2_CreateLoaded).
 */
#pragma once

#include "wire/response.h"

/*
 * The Name, of *size bytes, in a successful answer to `command`; it is part of the response's
 * bytes. NULL when the answer has none, when it is malformed, or when the Name is encrypted. A
 * session encrypts the first parameter only, and not its size (Part 1, "Session-Based Encryption").
 */
const uint8_t *created_name_find(const struct command *command, const struct response *response,
                                 size_t *size);
