/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another user of the chip, as the kernel and the programs behind /dev/tpmrm0 are: between two
 * commands of the manager it wants slots, and what the chip refuses it for want of room is a
 * failure. It leaves nothing loaded. It speaks to the chip in bytes, so that it can stand behind
 * any way to send them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEIGHBOUR_BYTES 4096

/* Has the chip run `size` bytes of `command`; the answer, of at most NEIGHBOUR_BYTES, goes to
 * `response`. Its response code, or UINT32_MAX when there is no answer. */
typedef uint32_t neighbour_send_fn(void *chip, const uint8_t *command, size_t size,
                                   uint8_t *response);

#define NEIGHBOUR_MOST 8 /* objects, and sessions, at a time */

/* What it wants at a time. */
struct neighbour_wants {
    unsigned objects;  /* hash sequences, held together */
    unsigned sessions; /* HMAC and policy sessions in turn, held together */
    bool load;         /* a key is loaded under a persistent parent, which takes two object slots */
};

struct neighbour {
    struct neighbour_wants wants;
    unsigned tries;
    unsigned no_object, no_session, no_load; /* times that the chip had no room */
    uint8_t key[1024];                       /* parameters of the TPM2_Load */
    size_t key_size;                         /* 0 before neighbour_prepare() */
};

/* Makes the persistent parent and the key under it; the chip must be started and its object slots
 * empty. False when the chip refuses. */
bool neighbour_prepare(struct neighbour *neighbour, neighbour_send_fn *send, void *chip);

/* One try of all that it wants. False when the chip had no room for something. */
bool neighbour_try(struct neighbour *neighbour, neighbour_send_fn *send, void *chip);
