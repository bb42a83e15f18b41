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
#define WORKLOAD_KEYS     4
#define WORKLOAD_SESSIONS 3

struct workload {
    ESYS_CONTEXT *esys;
    uint8_t tag; /* tells this client's keys and messages from others' */
    unsigned refused;
    bool cut; /* the connection ended; nothing more can be done */
    ESYS_TR keys[WORKLOAD_KEYS], sessions[WORKLOAD_SESSIONS], sequence;
    TPMS_CONTEXT *key_context, *session_context;
};

/* A client with nothing yet. */
void workload_init(struct workload *workload, ESYS_CONTEXT *esys, uint8_t tag);

/* Keys, sessions and a hash sequence that was begun. Those that were there stay. */
void workload_begin(struct workload *workload);

/* Uses all that is there, and checks what comes of it. */
void workload_use(struct workload *workload);

/* Contexts saved and loaded, shared and lost; answers that are kept; handles listed. */
void workload_move(struct workload *workload);

/* The sequence's end, and that of one key and of one session; the rest is left lying. */
void workload_end(struct workload *workload);

/* Fails the test when anything was refused. */
void workload_expect_unhindered(const struct workload *workload);

/* Forgets what the client has on its own side. */
void workload_clear(struct workload *workload);
