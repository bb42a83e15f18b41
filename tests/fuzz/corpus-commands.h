/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command for each command code, as bytes that a TPM takes: what must be made before it, its
 * handle area, its password authorizations, and its parameters in hexadecimal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct corpus_command {
    uint32_t code;
    /* What is made before it, in this order, one letter each (corpus_making()). Objects get
     * handles from 0x80000000 on, sessions from 0x02000000 or 0x03000000 on. */
    const char *before;
    unsigned handle_count;
    uint32_t handles[3];
    unsigned authorizations;
    const char *parameters;
    /* A TPM refuses it: it wants data that only this TPM could have made, another authorization
     * than a password, or physical presence. */
    bool refused;
};

extern const struct corpus_command corpus_commands[];
extern const size_t corpus_command_count;

/* The command that makes what `letter` stands for, or NULL. */
const struct corpus_command *corpus_making(char letter);

/* The command of the code, or NULL. */
const struct corpus_command *corpus_find(uint32_t code);

#define CORPUS_COMMAND_MAX 1024

/* Writes the whole command to the CORPUS_COMMAND_MAX bytes at `out`; its size. Where it has
 * authorizations they are empty passwords, or `session` as an audit session if that is not 0. */
size_t corpus_build(const struct corpus_command *command, uint32_t session, uint8_t *out);
