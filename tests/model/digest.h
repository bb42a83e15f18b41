/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 and what TPM sessions make of it: HMAC, KDFa and KDFe (TPM 2.0 Library Part 1, clause
 * "Key Derivation Functions"). Kept apart from the chip under test, so that what a client sends is
 * computed by the client.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

/* Bytes that are joined before they are hashed. */
struct part {
    const void *bytes;
    size_t size;
};

void digest_sha256(uint8_t out[DIGEST_SIZE], const struct part *parts, unsigned count);

void digest_hmac(uint8_t out[DIGEST_SIZE], const void *key, size_t key_size,
                 const struct part *parts, unsigned count);

/* `size` bytes of key material; `label` is text without its final NUL. */
void digest_kdfa(uint8_t *out, size_t size, const void *key, size_t key_size, const char *label,
                 struct part context_u, struct part context_v);

/* DIGEST_SIZE bytes from a shared secret. */
void digest_kdfe(uint8_t out[DIGEST_SIZE], struct part z, const char *label, struct part party_u,
                 struct part party_v);
