/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TPM that programs are compared with: libtpms in a process of its own, no resource manager
 * before it. Things (objects and sessions) go by numbers of the test's own, so that the two sides
 * may give them different handles.
 *
 * It works in one of two ways. Bare: commands go to the chip as they are, and the program must
 * not hold more than the chip has slots. Spilling: after each command all that it touched is saved
 * and leaves its slot, and before each command all that it names is loaded, so that any number of
 * things fits; that is what the TPM specification gives every program to live with few slots.
 * In both, a thing that is gone is named by a handle that no thing has, and it is the chip that
 * says what that means.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct libtpms_chip;

#define REFERENCE_BYTES   4096
#define REFERENCE_PATCHES 8
#define REFERENCE_SLOTS   3 /* of libtpms, for objects and for loaded sessions */

/* Handles that are never in use: an object's, and the low 24 bits of a session's. */
#define REFERENCE_NO_OBJECT  UINT32_C(0x80FFFFFF)
#define REFERENCE_NO_SESSION UINT32_C(0xFFFFFF)

enum reference_operation {
    REFERENCE_RUN,          /* the command in `bytes` */
    REFERENCE_LOAD_CONTEXT, /* TPM2_ContextLoad of kept context number `context` */
    REFERENCE_IS_LIVE,      /* `thing`: answers one byte */
    REFERENCE_FORGET,       /* flushes `thing`: its owner has gone */
    REFERENCE_POWER_CYCLE,  /* cuts the power and starts the chip again */
};

struct reference_patch {
    uint32_t offset; /* in the command */
    uint32_t thing;  /* whose handle goes there */
    uint32_t turn;   /* bits of the handle that are turned over */
};

struct reference_request {
    uint32_t operation;
    uint32_t thing;   /* IS_LIVE, FORGET */
    uint32_t makes;   /* number for what the command makes or loads; 0: nothing */
    uint32_t context; /* RUN: keep what TPM2_ContextSave gives; LOAD_CONTEXT: what to load; or 0 */
    uint32_t cut;     /* LOAD_CONTEXT: leave out so many bytes at the end */
    uint32_t flip;    /* LOAD_CONTEXT: turn over the byte at this offset; 0: none */
    uint32_t patch_count;
    struct reference_patch patches[REFERENCE_PATCHES];
    uint64_t seed; /* of the chip's stream of chance */
    uint32_t size; /* of `bytes` */
    uint8_t bytes[REFERENCE_BYTES];
};

/* Forks the process. Its chip is a copy of `chip`, which must be started and empty.
 * The descriptor of the socket to it, or -1. */
int reference_start(struct libtpms_chip *chip, bool spilling, uint64_t seed);

/* Ends the process that reference_start() has started. */
void reference_stop(int socket);

/* Asks, and waits for the answer: REFERENCE_BYTES at `answer`. Its size, or 0 when the reference
 * is gone. */
size_t reference_ask(int socket, const struct reference_request *request, uint8_t *answer);
