/* SPDX-License-Identifier: BSD-2-Clause */
/* What the clients of the soak do: one job for each kind of client. */
#pragma once

#include "client.h"

/* signing.c: keys of their own, more than the chip has slots, with passwords and sessions. */
soak_job job_sign;
/* signing.c: a storage key, and secrets sealed under it. */
soak_job job_seal;

/* hashing.c: hash sequences and HMAC keys, whose results are known. */
soak_job job_hash;
/* hashing.c: the same, carried from connection to connection as saved contexts. */
soak_job job_carry;

/* policies.c: policy sessions, carried from connection to connection, whose digests are known. */
soak_job job_policy;
/* policies.c: connections that come and go and leave what they have. */
soak_job job_churn;

/* growing.c: a counter, an index that is extended, and a PCR of the client's own: each command that
 * was answered has been carried out once, and each other one once or not at all. */
soak_job job_count;
soak_job job_extend;
soak_job job_measure;

/* hostile.c: bytes with no sense, half commands, answers that nobody reads, commands that are
 * canceled. */
soak_job job_garbage;
soak_job job_half;
soak_job job_deaf;
soak_job job_cancel;

/* keys.c: an HMAC key with random bytes, outside of every hierarchy, and what it gives. */
#define SOAK_DIGEST 32
struct soak_hmac_key {
    ESYS_TR object;
    uint8_t bytes[SOAK_DIGEST];
};
bool soak_hmac_load(struct soak *soak, struct soak_hmac_key *key);
bool soak_hmac_check(struct soak *soak, const struct soak_hmac_key *key);

/* SHA-256 of `size` bytes. */
void soak_sha256(const void *bytes, size_t size, uint8_t digest[SOAK_DIGEST]);
