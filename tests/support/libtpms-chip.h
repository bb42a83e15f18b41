/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chip for tests: libtpms in the test process behind `struct rm_tpm`, with its state in memory.
 * libtpms is one TPM per process, so there is one of these. It counts commands by code, and
 * faults can be put in its way.
 */
#pragma once

#include "rm/tpm.h"

#include <stdbool.h>

/* What happens instead of the next matching command. */
enum chip_fault {
    CHIP_FAULT_NONE,
    CHIP_FAULT_CODE,      /* the answer is fault_code, the TPM does not see the command */
    CHIP_FAULT_TRANSPORT, /* -EIO, the TPM does not see the command */
    CHIP_FAULT_LOST,      /* the TPM runs the command, then -EIO */
    CHIP_FAULT_CUT,       /* the answer loses its last byte */
    CHIP_FAULT_GARBAGE,   /* the answer's bytes after the header are turned over */
};

struct libtpms_chip {
    struct rm_tpm tpm;
    /* Called after each command that came by `tpm`, which it must not use; NULL: nothing is. */
    void (*between)(void *data, const uint8_t *command);
    void *between_data;
    unsigned commands;         /* since the last libtpms_chip_clear_counts() */
    unsigned context_commands; /* those of ContextSave, ContextLoad, FlushContext */
    unsigned by_code[0x200];   /* by command code, from 0x100 on */
    uint8_t last_locality;
    unsigned retries_allowed; /* what backoff() agrees to; default 10 */

    enum chip_fault fault;
    uint32_t fault_command; /* command code that it waits for; 0 = any */
    uint32_t fault_code;
    unsigned fault_times; /* how many matching commands it hits */
};

/* The chip, manufactured anew and powered on, not started. Fails the test when libtpms does. */
struct libtpms_chip *libtpms_chip_new(void);
void libtpms_chip_free(struct libtpms_chip *chip);

/* Has the TPM run a command that nobody counts and no fault hits; the answer, of at most `capacity`
 * bytes, goes to `response`. Its size; 0 when it does not fit. */
size_t libtpms_chip_process(const uint8_t *command, size_t size, uint8_t *response,
                            size_t capacity);

/* Cuts the power and gives it back: what was not in non-volatile memory is gone. */
void libtpms_chip_power_cycle(struct libtpms_chip *chip);

void libtpms_chip_clear_counts(struct libtpms_chip *chip);
unsigned libtpms_chip_count(const struct libtpms_chip *chip, uint32_t command_code);

/* Lets the next `times` commands with `command` as their code (0: any) meet the fault. */
void libtpms_chip_inject(struct libtpms_chip *chip, enum chip_fault fault, uint32_t command,
                         uint32_t code, unsigned times);

/* Handles that the chip itself lists from `first` on; their number. */
unsigned libtpms_chip_handles(struct libtpms_chip *chip, uint32_t first, uint32_t *handles,
                              unsigned capacity);
