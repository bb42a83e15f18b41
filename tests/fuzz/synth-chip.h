/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A synthetic TPM behind `struct rm_tpm`: no cryptography, but slots, sessions, contexts, the
 * context gap and resets as a TPM has them, and an answer of the right shape to every command of
 * its table (that of libtpms). What it answers depends on nothing but what it was sent. A few
 * commands in a hundred, told by a sum over their bytes, are refused with a code that a TPM may
 * give; context commands and queries are not among them.
 */
#pragma once

#include "rm/tpm.h"
#include "wire/command.h"

#define SYNTH_OBJECTS  16
#define SYNTH_SESSIONS 64

/* The most bytes of parameters in an answer: a list of a hundred properties. */
#define SYNTH_ANSWER_MAX 1024

/* A format-one response code, for parameter 1. */
#define SYNTH_RC_PARAMETER(rc) ((uint32_t)((rc) + TPM2_RC_P + TPM2_RC_1))

struct synth_object {
    bool there, sequence;
    uint32_t hierarchy;
    uint32_t id;
};

struct synth_session {
    enum { SYNTH_SESSION_NONE, SYNTH_SESSION_LOADED, SYNTH_SESSION_SAVED } state;
    uint32_t handle;
    uint64_t sequence; /* of its context, when it is saved */
};

struct synth_chip {
    struct rm_tpm tpm;
    struct command_table commands;
    unsigned object_slots, session_slots, gap;
    uint32_t max_size; /* of commands and responses */
    bool started;
    bool obliging; /* set from outside: nothing is refused without a reason */
    bool busy;     /* the last command was refused as one to try again */
    struct synth_object objects[SYNTH_OBJECTS];
    struct synth_session sessions[SYNTH_SESSIONS];
    uint32_t epoch; /* resets so far: a context of another epoch is dead */
    uint32_t next_id;
    uint64_t object_counter, session_counter;
};

/* A chip that was powered on, not started. Of `kind`, bits 0 and 1 are the slots for objects and
 * 2 and 3 those for sessions, less 2; with bit 4 its context gap is 63 and not 255, with bit 5
 * its buffers have 1 KiB and not 4. */
struct synth_chip *synth_chip_new(uint8_t kind);
void synth_chip_free(struct synth_chip *chip);
void synth_chip_power_cycle(struct synth_chip *chip);

/* Slots in use. */
unsigned synth_count_objects(const struct synth_chip *chip);
unsigned synth_count_sessions(const struct synth_chip *chip);

/* Runs TPM2_GetCapability: the response code; its parameters, at most SYNTH_ANSWER_MAX bytes, go
 * to `out`. */
uint32_t synth_capability(const struct synth_chip *chip, const struct command *command,
                          uint8_t *out, size_t *size);
