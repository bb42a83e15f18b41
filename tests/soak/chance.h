/* SPDX-License-Identifier: BSD-2-Clause */
/* All chance of the soak comes from its seed, by xorshift64*. A state is never 0. */
#pragma once

#include <stdint.h>

/* A state for each number; those of neighbours are far apart. */
static inline uint64_t chance_seed(uint64_t number)
{
    return (number + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

/* A number below `limit`. */
static inline uint32_t chance_below(uint64_t *state, uint32_t limit)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32) % limit;
}
