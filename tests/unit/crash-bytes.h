/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of commands that programs and checks are made of. */
#pragma once

#include "wire/command.h"

#include <tss2/tss2_tpm2_types.h>

#define CRASH_BYTES 4096

struct crash_bytes {
    uint8_t bytes[CRASH_BYTES];
    size_t size;
};

void crash_bytes_begin(struct crash_bytes *bytes, uint16_t tag, uint32_t code);
void crash_bytes_add(struct crash_bytes *bytes, const void *from, size_t size);
void crash_bytes_add16(struct crash_bytes *bytes, uint16_t value);
void crash_bytes_add32(struct crash_bytes *bytes, uint32_t value);
/* `count` bytes, 255 at the most, with their number before them (TPM2B). */
void crash_bytes_fill(struct crash_bytes *bytes, uint8_t value, uint16_t count);
/* The size goes to the header. */
void crash_bytes_end(struct crash_bytes *bytes);

/* A command about one handle, with an empty password. */
void crash_bytes_authorized(struct crash_bytes *bytes, uint32_t code, uint32_t handle);

/* Whole commands but for their end. A command with one handle and nothing else; the HMAC of a byte;
 * the end of a sequence; the hash of so many bytes; a session; a key that differs by its tag.
 */
void crash_bytes_named(struct crash_bytes *bytes, uint32_t code, uint32_t handle);
void crash_bytes_hmac(struct crash_bytes *bytes, uint32_t key);
void crash_bytes_complete(struct crash_bytes *bytes, uint32_t sequence);
void crash_bytes_hash(struct crash_bytes *bytes, unsigned count);
void crash_bytes_start_session(struct crash_bytes *bytes, uint8_t type);
/* Random bytes, by a session that audits, and that ends by that unless it `goes_on`. */
void crash_bytes_audited(struct crash_bytes *bytes, uint32_t session, bool goes_on);
void crash_bytes_create(struct crash_bytes *bytes, uint32_t hierarchy, uint8_t tag);
