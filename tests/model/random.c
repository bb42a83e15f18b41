/* SPDX-License-Identifier: BSD-2-Clause */
#include "random.h"

#include <dlfcn.h>
#include <string.h>

static struct random chip_stream;

void random_begin(struct random *random, uint64_t program, uint64_t step)
{
    random->state = program;
    random->state = random_next(random) + step;
    random->state = random_next(random);
}

/* splitmix64 */
uint64_t random_next(struct random *random)
{
    uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint32_t random_below(struct random *random, uint32_t bound)
{
    return bound ? (uint32_t)(random_next(random) % bound) : 0;
}

bool random_chance(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

void random_fill(struct random *random, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_next(random);
}

void random_seed_chip(uint64_t seed)
{
    chip_stream.state = seed;
}

static int fill_from_stream(unsigned char *bytes, int size)
{
    random_fill(&chip_stream, bytes, size > 0 ? (size_t)size : 0);
    return 1;
}

static int is_ready(void)
{
    return 1;
}

/* RAND_METHOD of libcrypto, which libtpms draws from. It is not linked, only found. */
static const struct {
    int (*seed)(const void *bytes, int size);
    int (*bytes)(unsigned char *bytes, int size);
    void (*cleanup)(void);
    int (*add)(const void *bytes, int size, double entropy);
    int (*pseudorand)(unsigned char *bytes, int size);
    int (*status)(void);
} method = {.bytes = fill_from_stream, .pseudorand = fill_from_stream, .status = is_ready};

bool random_take_over_chip(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "RAND_set_rand_method");
    int (*set)(const void *new_method);

    if (!symbol)
        return false;
    memcpy(&set, &symbol, sizeof(set));
    return set(&method) == 1;
}
