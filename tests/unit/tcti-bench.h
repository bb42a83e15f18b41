/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCTI with a TPM that the test plays, and a waiter that counts how often it was served. */
#pragma once

#include "engine-chip.h"
#include "tpm/tcti.h"

struct bench {
    struct engine_chip chip;
    struct tcti *tcti;
    struct rm_tpm *tpm;
    int wake;               /* the waiter's descriptor */
    unsigned served, asked; /* calls of the waiter's serve() and timeout() */
    int timeout;
    void (*on_serve)(struct bench *bench);
    void (*on_ask)(struct bench *bench); /* before the waiter's timeout() returns */
    uint8_t command[ENGINE_CHIP_RANDOM], response[64];
    size_t size; /* of the response */
};

/* cmocka fixtures: an open TCTI, with poll handles or without. */
int bench_setup(void **state);
int bench_setup_blocking(void **state);
int bench_teardown(void **state);

/* Opens one with words in front of its configuration, which tcti-pipe.c explains. */
void bench_open_as(struct bench *bench, const char *words);

/* Makes the waiter's descriptor readable. */
void bench_wake(struct bench *bench);

/* Sends bench->command. */
int bench_transact(struct bench *bench, uint8_t locality);
