/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a journal, in a memfd: it outlives the process when the service manager keeps the
 * descriptor. It is mapped once at its greatest size and backed piece by piece, so that want of
 * memory is an error and not SIGBUS; and sealed against becoming shorter (F_SEAL_SHRINK, fcntl(2)),
 * so that nobody who has the descriptor can make it that. Core dumps leave it out.
 */
#pragma once

#include "rm/journal.h"

/* The greatest size, where there are addresses for that. */
#define KEPT_MEMORY_MOST (sizeof(void *) > 4 ? (size_t)1 << 30 : (size_t)1 << 27)

/* All zero: none. Stays where it is while it is in use. */
struct kept_memory {
    struct journal_memory memory;
    int fd; /* valid while there are bytes */
};

/* Makes new memory. 0 or a negative errno. */
int kept_memory_make(struct kept_memory *kept);

/*
 * Maps memory that a former daemon made, of which memory.capacity bytes are there: the first page,
 * which has the journal's header, to be written to, and the others not. Takes the descriptor over
 * on success. 0 or a negative errno, -EPERM for a descriptor that is no such memory.
 */
int kept_memory_open(struct kept_memory *kept, int fd);

/* Unmaps it and closes the descriptor. Harmless when repeated. */
void kept_memory_clear(struct kept_memory *kept);
