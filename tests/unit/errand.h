/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client does on a long day: each sort of command for which the daemon takes memory, in an
 * order that fills the chip. Every step may be refused, and a refusal must say that memory is out;
 * what is answered must be the right answer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_esys.h>

/* More than the chip has slots, and all of them. */
#define ERRAND_KEYS     4
#define ERRAND_SESSIONS 3

struct errand {
    ESYS_CONTEXT *esys;
    uint8_t tag; /* tells this client's keys and messages from others' */
    unsigned refused;
    bool cut; /* the connection ended; nothing more can be done */
    ESYS_TR keys[ERRAND_KEYS], sessions[ERRAND_SESSIONS], sequence;
    TPMS_CONTEXT *key_context, *session_context;
};

/* A client with nothing yet. */
void errand_init(struct errand *errand, ESYS_CONTEXT *esys, uint8_t tag);

/* Keys, sessions and a hash sequence that was begun. Those that were there stay. */
void errand_begin(struct errand *errand);

/* Uses all that is there, and checks what comes of it. */
void errand_use(struct errand *errand);

/* Contexts saved and loaded, shared and lost; answers that are kept; handles listed. */
void errand_move(struct errand *errand);

/* The sequence's end, and that of one key and of one session; the rest is left lying. */
void errand_end(struct errand *errand);

/* Fails the test when anything was refused. */
void errand_expect_unhindered(const struct errand *errand);

/* Forgets what the client has on its own side. */
void errand_clear(struct errand *errand);
