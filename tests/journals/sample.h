/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal, and the TPM beside it, as a daemon leaves them that is killed in the middle of its
 * work: the same bytes each time. Users have clients; these have keys in the TPM and out of it, one
 * of which they share, a sequence object, and sessions in each state; bytes wait in both
 * directions, some are being received, and a command is on its way to the TPM.
 */
#pragma once

#include "engine/desk.h"
#include "engine/seats.h"
#include "plain-journal.h"
#include "rm/state.h"
#include "synth-chip.h"

#define SAMPLE_CLIENTS  4
#define SAMPLE_COMMAND  256 /* bytes of the longest one here */
#define SAMPLE_RESPONSE 512
#define SAMPLE_WAITING  16

#define SAMPLE_COOKIE(client) (UINT64_C(0x5100) + (client))

/* What the engine knows of a client. */
struct sample_connection {
    struct journal_mark mark;
    struct record_connection record;
    uint8_t in[SAMPLE_WAITING], out[SAMPLE_WAITING];
    size_t in_size, out_size;
    uint32_t in_line, out_line;
};

struct sample {
    struct plain_journal plain;
    struct synth_chip *chip;
    struct rm *rm;
    struct desk desk;
    struct rm_client *clients[SAMPLE_CLIENTS]; /* NULL: its connection is closed */
    struct sample_connection connections[SAMPLE_CLIENTS];
    uint8_t command[SAMPLE_COMMAND]; /* that was sent last */
    size_t command_size;
    uint8_t *response;
    size_t response_size;
};

void sample_make(struct sample *sample);
void sample_clear(struct sample *sample);

/* Writes a command, the same as here: with a handle unless it is 0, and authorized by a session
 * unless that is 0. Its size. */
size_t sample_build(uint8_t out[SAMPLE_COMMAND], uint32_t code, uint32_t handle, uint32_t session);

/* The bytes of the journal's memory that there are, from its start on. */
size_t sample_size(const struct sample *sample);
