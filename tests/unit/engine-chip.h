/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TPM that is played by the test: the other end of the TCTI of tcti-pipe.c. The test takes each
 * command off and answers when it likes, so that "while the TPM works" is as long as a test needs.
 */
#pragma once

#include "rm/tpm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tags of packets that are no commands; the locality is in the code's place. */
#define ENGINE_CHIP_CANCEL   0x4341
#define ENGINE_CHIP_LOCALITY 0x4C4F
/* A packet to the TCTI: it says that it needs a buffer of as many bytes as the code says. The next
 * receive gives an answer of zeros; with a size field of 0 it fails. */
#define ENGINE_CHIP_CLAIM 0x434C

#define ENGINE_CHIP_MAX 4096

struct engine_chip {
    int fd;      /* the test's end */
    int tcti_fd; /* what the configuration names */
    char conf[512];
    uint8_t packet[ENGINE_CHIP_MAX]; /* the last one that was taken off */
    size_t size;
    uint8_t locality; /* the last one set */
    unsigned localities, cancels;
    struct rm_tpm *tpm; /* answers in the test's place, where it is not NULL */
};

void engine_chip_init(struct engine_chip *chip, bool polls);
/* With words in front of the configuration, which tcti-pipe.c explains: "nopoll,wait,". */
void engine_chip_init_as(struct engine_chip *chip, const char *words);
void engine_chip_clear(struct engine_chip *chip);

/* Breaks the transport, and makes one that the same configuration opens. */
void engine_chip_break(struct engine_chip *chip);
void engine_chip_mend(struct engine_chip *chip);

/* Takes a command off, waiting for it; localities and cancels are noted. Fails the test when none
 * comes. */
void engine_chip_take(struct engine_chip *chip);

/* Notes localities and cancels; true when there is a command to take off. Does not wait. */
bool engine_chip_has_command(struct engine_chip *chip);

/* Answers the command that was taken off: with `code` alone, or as a working TPM would that has no
 * more than two commands, or as `tpm` does. */
void engine_chip_answer_code(struct engine_chip *chip, uint32_t code);
void engine_chip_answer(struct engine_chip *chip);

/* A GetRandom command that asks for `mark` bytes, which tells one from another; its size is
 * ENGINE_CHIP_RANDOM. */
#define ENGINE_CHIP_RANDOM 12
void engine_chip_random(uint8_t *out, uint16_t mark);

/* The mark of the GetRandom that was taken off; 0 for another command. */
uint16_t engine_chip_mark(const struct engine_chip *chip);
