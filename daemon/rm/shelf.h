/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shelf of a journal: extents of bytes in lines of 64. Which lines are free is known to the
 * heap only. An extent that is dropped keeps its lines and its bytes until shelf_clean().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_memory;

struct shelf {
    const struct journal_memory *memory; /* borrowed */
    size_t at;                           /* of line 0 in the memory */
    uint32_t *lines;                     /* in the header: lines that may have been used */
    uint64_t *used;                      /* a bit for each line that is backed */
    uint32_t backed, most;               /* lines */
    uint32_t top;                        /* behind the last line in use */
    uint32_t rover;                      /* where the search begins */
    uint32_t promised;                   /* lines that are there for those who claimed them */
    uint32_t extents, claims;
    uint32_t *dropped;
    uint32_t dropped_count, dropped_room;
};

/* Line 0 of the shelf stands `at` bytes into the memory. False without memory. */
bool shelf_init(struct shelf *shelf, const struct journal_memory *memory, size_t at,
                uint32_t *lines);
void shelf_clear(struct shelf *shelf);

/*
 * Changes *claim, a number of lines, 0 at first, to that of an extent with up to `size` bytes; 0
 * bytes give them back. The lines are nobody else's until then, or until shelf_put() takes them:
 * those behind the last one in use are as many as all claims together, so that each finds its own
 * there, one behind the other. False without memory, and then nothing changes.
 */
bool shelf_claim(struct shelf *shelf, uint32_t *claim, size_t size);

/* Copies bytes to a new extent for `cell`, which takes the claim, and gives its line. */
uint32_t shelf_put(struct shelf *shelf, uint32_t cell, const uint8_t *bytes, size_t size,
                   uint32_t *claim);

/* Nothing names the extent after the next commit. */
void shelf_drop(struct shelf *shelf, uint32_t line);

/* After a commit: wipes the extents that were dropped, and their lines are free. */
void shelf_clean(struct shelf *shelf);
