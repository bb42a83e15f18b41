/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share. A target is one LLVMFuzzerTestOneInput(), which libFuzzer calls
 * with bytes of its own making and replay.c with the files of a corpus. What a target finds wrong
 * ends the process with a message, as a sanitizer's finding does.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process unless `condition` holds; the rest says what went wrong, as for printf(). */
#define fuzz_must(condition, ...)                                    \
    do {                                                             \
        if (!(condition)) {                                          \
            fprintf(stderr, "fuzz: finding: " __VA_ARGS__);          \
            fprintf(stderr, " (%s, line %d)\n", __FILE__, __LINE__); \
            abort();                                                 \
        }                                                            \
    } while (0)

/* Ends the process when a checker says what is wrong; NULL says nothing. */
static inline void fuzz_must_hold(const char *said)
{
    fuzz_must(!said, "%s", said);
}

/* The bytes of an input that are not used up. Behind the end there are zeros. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t size;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->bytes++;
}

static inline uint16_t fuzz_word(struct fuzz_input *input)
{
    uint16_t high = fuzz_byte(input);

    return (uint16_t)(high << 8 | fuzz_byte(input));
}

/* Up to `want` bytes; *got says how many there were. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t want, size_t *got)
{
    const uint8_t *bytes = input->bytes;

    *got = want < input->size ? want : input->size;
    input->bytes += *got;
    input->size -= *got;
    return bytes;
}
