/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The resource manager over libtpms in the test process, and clients of it that are ESYS
 * contexts: what a real program sends, without a daemon between. After each command the manager's
 * books must agree with themselves, and at the end with the chip (rm-invariants.h).
 */
#pragma once

#include "libtpms-chip.h"
#include "rm/rm.h"

#include <tss2/tss2_esys.h>

#define RM_WORLD_CLIENTS 32

struct rm_world_client {
    struct rm_client *client;
    ESYS_CONTEXT *esys;
    TSS2_TCTI_CONTEXT *tcti;
};

struct rm_world {
    struct libtpms_chip *chip;
    struct chip facts;
    struct rm *rm;
    struct rm_world_client clients[RM_WORLD_CLIENTS];
    bool apart; /* the test changed what the chip holds past the manager, which was not told */
};

/* Limits of the daemon's defaults. */
extern const struct rm_limits rm_world_limits;

/* A started TPM, a manager with `limits` (NULL: the default ones), no clients. */
struct rm_world *rm_world_new(const struct rm_limits *limits);

/* Frees all; fails the test when the manager, drained, leaves anything in the chip. */
void rm_world_free(struct rm_world *world);

/* cmocka fixtures: a world with the default limits, and client 0 of user 1000 in it. */
int rm_world_setup(void **state);
int rm_world_teardown(void **state);

/* Connects client number `index` as user `uid`. */
ESYS_CONTEXT *rm_world_connect(struct rm_world *world, unsigned index, uint32_t uid);
void rm_world_disconnect(struct rm_world *world, unsigned index);

/* Sends raw bytes as client number `index`; the response code. The whole response goes to
 * `response` (4096 bytes) and *response_size where those are not NULL. */
uint32_t rm_world_send(struct rm_world *world, unsigned index, const void *command, size_t size,
                       uint8_t *response, size_t *response_size);

/* Runs idle clean-up to its end. */
void rm_world_idle(struct rm_world *world, bool release);

/* Handles of a kind that the chip itself has. */
unsigned rm_world_in_chip(struct rm_world *world, uint32_t first);
