/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chip that plays a script: each command must be the next one of the script, to the byte, and
 * gets the answer that stands there.
 */
#pragma once

#include "rm/chip.h"
#include "wire/capability.h"
#include "wire/command.h"

#include <tss2/tss2_tpm2_types.h>

#define CHIP_SCRIPT_MOST 160

#define EXCHANGE_COMMAND 96

struct exchange {
    uint8_t command[EXCHANGE_COMMAND];
    size_t command_size;
    int error; /* of transact() */
    uint8_t response[CHIP_MIN_BUFFER];
    size_t size;
    uint32_t watched; /* what chip_script.watch led to, or look() said, when the command came */
    uint32_t beyond;  /* stands behind the answer in the buffer, again and again */
};

struct chip_script {
    struct rm_tpm tpm;
    struct exchange exchanges[CHIP_SCRIPT_MOST];
    unsigned count, done;
    const uint32_t *watch;        /* or NULL */
    uint32_t (*look)(void *data); /* instead of `watch`, where it is set */
    void *look_data;
    unsigned backoffs, most_backoffs; /* calls of backoff(), and how many of them it agrees to */
};

/* Makes an empty script. */
void chip_script_init(struct chip_script *script);

/* cmocka fixtures: an empty script as the state. */
int chip_script_setup(void **state);
int chip_script_teardown(void **state);

/* Fails the test unless the script was played to its end; it is empty then. */
void chip_script_end(struct chip_script *script);

/* Adds an exchange of nothing, to be filled. */
struct exchange *chip_script_next(struct chip_script *script);

/* Makes an answer this code and nothing else. */
void exchange_answer_code(struct exchange *exchange, uint32_t code);

/* Each adds an exchange. TPM2_Startup(CLEAR) and TPM2_FlushContext get a code. */
struct exchange *expect_startup(struct chip_script *script, uint32_t code);
struct exchange *expect_flush(struct chip_script *script, uint32_t handle, uint32_t code);

/* TPM2_ReadClock, with the number of resets in its answer. */
struct exchange *expect_clock(struct chip_script *script, uint32_t resets);

/* TPM2_GetCapability from `from` on, as many as the manager asks for, and an answer that lists
 * `count` words: two for a property, one for anything else. */
struct exchange *expect_query(struct chip_script *script, uint32_t capability, uint32_t from,
                              bool more, const uint32_t *words, size_t count);

/* The last two arguments of it. */
#define WORDS(...) \
    (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)
#define NO_WORDS NULL, 0
