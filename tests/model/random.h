/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two sources of chance. A program's steps draw from a stream that depends on the program's
 * number and the step's, and on nothing else, so that a step stays what it is when others are
 * left out. The chips draw from a stream of the process: two chips that start alike and see the
 * same commands give the same nonces, keys and signatures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

void random_begin(struct random *random, uint64_t program, uint64_t step);
uint64_t random_next(struct random *random);

/* 0 to `bound` - 1; 0 for a bound of 0. */
uint32_t random_below(struct random *random, uint32_t bound);

/* True in `percent` of 100 cases. */
bool random_chance(struct random *random, unsigned percent);

void random_fill(struct random *random, uint8_t *bytes, size_t size);

/* Puts the chip's stream in the place of libcrypto's generator. False when that is not to be
 * found; then two chips that start alike do not stay alike. */
bool random_take_over_chip(void);

/* Starts the stream that the chip of this process draws from. */
void random_seed_chip(uint64_t seed);
