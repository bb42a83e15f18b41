/* SPDX-License-Identifier: BSD-2-Clause */
/* Public areas (TPMT_PUBLIC) of the keys that programs use. */
#pragma once

#include "call.h"

#define KEYS_FIXED    UINT32_C(0x12) /* fixedTPM, fixedParent */
#define KEYS_ST_CLEAR UINT32_C(0x4)
#define KEYS_NO_DA    UINT32_C(0x400)
#define KEYS_ORIGIN   UINT32_C(0x20) /* sensitiveDataOrigin */

#define KEYS_PUBLIC_MAX 512

/* Writes the template; `extra` are attributes beside those of the kind. Returns its size. */
size_t keys_template(const struct traits *traits, uint32_t extra, uint8_t tag, uint8_t *out);

/* Learns a key's Name, and the point of an ECC key, from its public area. */
void keys_learn(struct traits *traits, const uint8_t *public_area, size_t size);

/* The command that a key of this kind is for, which its policy may name; 0: none. */
uint32_t keys_command(enum thing_kind kind);

/* TPM2B_SENSITIVE_CREATE, or for data of the caller's with it. */
void keys_sensitive(struct call *call, const struct traits *traits);

/* The passwords that programs use. */
struct secret keys_secret(struct random *random);

bool keys_is_parent(const struct thing *thing);
