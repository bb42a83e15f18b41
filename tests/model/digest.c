/* SPDX-License-Identifier: BSD-2-Clause */
#include "digest.h"

#include "wire/bytes.h"

#include <string.h>

#define BLOCK 64

struct sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[BLOCK];
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4).
 */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8];

    for (unsigned i = 0; i < 16; i++)
        w[i] = load_be32(block + 4 * (size_t)i);
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3)
               + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof(v));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25))
                       + ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + w[i];
        uint32_t two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22))
                       + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += one;
        v[0] = one + two;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += v[i];
}

static void begin(struct sha256 *hash)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(hash->state, initial, sizeof(initial));
    hash->size = 0;
}

static void add(struct sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < size; i++) {
        hash->block[hash->size++ % BLOCK] = from[i];
        if (hash->size % BLOCK == 0)
            compress(hash->state, hash->block);
    }
}

static void end(struct sha256 *hash, uint8_t out[DIGEST_SIZE])
{
    uint64_t bits = 8 * hash->size;
    uint8_t length[8], pad = 0x80;

    store_be32(length, (uint32_t)(bits >> 32));
    store_be32(length + 4, (uint32_t)bits);
    do {
        add(hash, &pad, 1);
        pad = 0;
    } while (hash->size % BLOCK != BLOCK - 8);
    add(hash, length, sizeof(length));
    for (unsigned i = 0; i < 8; i++)
        store_be32(out + 4 * (size_t)i, hash->state[i]);
}

static void add_parts(struct sha256 *hash, const struct part *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        add(hash, parts[i].bytes, parts[i].size);
}

void digest_sha256(uint8_t out[DIGEST_SIZE], const struct part *parts, unsigned count)
{
    struct sha256 hash;

    begin(&hash);
    add_parts(&hash, parts, count);
    end(&hash, out);
}

void digest_hmac(uint8_t out[DIGEST_SIZE], const void *key, size_t key_size,
                 const struct part *parts, unsigned count)
{
    uint8_t pad[BLOCK] = {0}, inner[DIGEST_SIZE];
    struct sha256 hash;

    if (key_size > BLOCK)
        digest_sha256(pad, &(struct part){key, key_size}, 1);
    else
        memcpy(pad, key, key_size);
    for (unsigned i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    begin(&hash);
    add(&hash, pad, BLOCK);
    add_parts(&hash, parts, count);
    end(&hash, inner);
    for (unsigned i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    begin(&hash);
    add(&hash, pad, BLOCK);
    add(&hash, inner, DIGEST_SIZE);
    end(&hash, out);
}

void digest_kdfa(uint8_t *out, size_t size, const void *key, size_t key_size, const char *label,
                 struct part context_u, struct part context_v)
{
    uint8_t block[DIGEST_SIZE], counter[4], bits[4];

    store_be32(bits, (uint32_t)(8 * size));
    for (uint32_t i = 1; size > 0; i++) {
        size_t take = size < DIGEST_SIZE ? size : DIGEST_SIZE;
        struct part parts[] = {
            {counter, 4}, {label, strlen(label) + 1}, context_u, context_v, {bits, 4}};

        store_be32(counter, i);
        digest_hmac(block, key, key_size, parts, 5);
        memcpy(out, block, take);
        out += take;
        size -= take;
    }
}

void digest_kdfe(uint8_t out[DIGEST_SIZE], struct part z, const char *label, struct part party_u,
                 struct part party_v)
{
    static const uint8_t counter[4] = {0, 0, 0, 1};
    struct part parts[] = {{counter, 4}, z, {label, strlen(label) + 1}, party_u, party_v};

    digest_sha256(out, parts, 5);
}
